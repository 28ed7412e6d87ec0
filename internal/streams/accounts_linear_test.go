package streams_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

var (
	seeds         = flag.Int("seeds", 3, "number of runs with the hot customer that are checked for linearizability")
	hotOperations = flag.Int("operations", 60, "of each of the 32 clients of the hot customer")
)

// The commands. Each order has one amount, and many clients send commands about it.
const (
	opReserve = iota
	opApprove
	opRelease
	opLimit
)

type input struct {
	op    int
	order int   // which order
	limit int64 // in minor units, of opLimit
}

// output is a verdict, or the reason a command failed. If unknown is set, it is not known
// whether, or when, the command was executed.
type output struct {
	verdict string
	unknown bool
}

const (
	notHeld   = "not held"
	notOpened = "not opened"
	done      = "done"
)

// state is the model of a credit account: one verdict for each order, a letter each.
type state struct {
	verdicts string // '.', or r of reserved, h of held, c of released (closed)
	limit    int64  // -1 before it is opened
	reserved int64
}

func amountOf(order int) int64 { return int64(1000 + 700*(order%7)) }

func (s state) with(order int, verdict byte, change int64) state {
	verdicts := []byte(s.verdicts)
	verdicts[order] = verdict
	return state{verdicts: string(verdicts), limit: s.limit, reserved: s.reserved + change}
}

// next applies the rules of credit. They are written a second time here, in another way
// than in package credit.
func (s state) next(in input) (state, string) {
	if in.op == opLimit {
		if s.limit < 0 {
			return s, notOpened
		}
		return state{verdicts: s.verdicts, limit: in.limit, reserved: s.reserved}, done
	}
	now, amount := s.verdicts[in.order], amountOf(in.order)
	switch {
	case in.op == opRelease && now == 'r':
		return s.with(in.order, 'c', -amount), "c"
	case in.op == opRelease:
		return s.with(in.order, 'c', 0), "c"
	case in.op == opApprove && now == '.':
		return s, notHeld
	case in.op == opApprove && now == 'h':
		return s.with(in.order, 'r', amount), "r"
	case now != '.':
		return s, string(now)
	}
	if s.limit < 0 {
		s.limit = hotLimit
	}
	if amount > max(0, s.limit-s.reserved) {
		return s.with(in.order, 'h', 0), "h"
	}
	return s.with(in.order, 'r', amount), "r"
}

const hotLimit = 1000_00

func creditModel(orders int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{verdicts: strings.Repeat(".", orders), limit: -1} },
		Step: func(before, in, out any) (bool, any) {
			after, want := before.(state).next(in.(input))
			got := out.(output)
			return got.unknown || got.verdict == want, after
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v: %+v", in, out) },
	}
}

// accountUnderTest is implemented by the tested account, and by those that are broken on
// purpose.
type accountUnderTest interface {
	Reserve(ctx context.Context, r credit.Request) (credit.Decision, error)
	Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error)
	Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error)
}

// load describes the commands for the hot customer, and the clients that send them.
type load struct {
	clients, operations, orders int
	seed                        uint64
	account                     func(client int) (accountUnderTest, *limitChanger)
	giveUp                      float64 // share of the operations that are not retried
}

// run sends the commands and returns the history of inputs and outputs.
func (l load) run(t *testing.T) (history []porcupine.Operation) {
	t.Helper()
	var mu sync.Mutex
	var clients sync.WaitGroup
	for c := range l.clients {
		account, limitChanger := l.account(c)
		random := rand.New(rand.NewPCG(l.seed, uint64(c)))
		clients.Go(func() {
			for n := range l.operations {
				in, giveUp := l.draw(random, n), random.Float64() < l.giveUp
				for answer := (output{unknown: true}); answer.unknown; {
					o := porcupine.Operation{ClientId: c, Input: in, Call: time.Now().UnixNano()}
					answer = perform(t, account, limitChanger, in)
					o.Output, o.Return = answer, time.Now().UnixNano()
					if answer.unknown {
						o.Return = math.MaxInt64
					}
					mu.Lock()
					history = append(history, o)
					mu.Unlock()
					if giveUp || t.Context().Err() != nil {
						break
					}
				}
			}
		})
	}
	clients.Wait()
	return history
}

// draw picks an operation on one of the orders that all clients have reached by then.
func (l load) draw(random *rand.Rand, n int) input {
	const window = 40
	first := n * max(0, l.orders-window) / l.operations
	in := input{order: first + random.IntN(min(window, l.orders-first))}
	switch p := random.IntN(100); {
	case p < 45:
		in.op = opReserve
	case p < 60:
		in.op = opApprove
	case p < 97:
		in.op = opRelease
	default:
		in = input{op: opLimit, limit: int64(hotLimit/2 + random.IntN(hotLimit))}
	}
	return in
}

// perform sends one command once. A caller that retries, as a workflow does, records
// another operation: a failed attempt may have been executed, and undone by another
// client, before the next one.
func perform(t *testing.T, account accountUnderTest, limitChanger *limitChanger, in input) output {
	request := credit.Request{
		CustomerID: hotCustomer, OrderID: fmt.Sprintf("order-%d", in.order),
		Amount: order.Money{Minor: amountOf(in.order), Currency: "USD"}, Source: order.Source{EventID: uuid.NewString()}, HoldUntil: hotHold(),
	}
	ctx, cancel := context.WithTimeout(t.Context(), kurrentsimtest.WaitLimit)
	defer cancel()
	var decision credit.Decision
	var err error
	switch in.op {
	case opReserve:
		decision, err = account.Reserve(ctx, request)
	case opApprove:
		decision, err = account.Approve(ctx, request, "op-1")
	case opRelease:
		decision, err = account.Release(ctx, request, credit.Cause{Reason: "CANCELLED"})
	case opLimit:
		err = limitChanger.changeLimit(ctx, in.limit)
	}
	switch {
	case errors.Is(err, credit.ErrNotHeld):
		return output{verdict: notHeld}
	case errors.Is(err, credit.ErrNotOpened):
		return output{verdict: notOpened}
	case errors.Is(err, credit.ErrHistory):
		return output{verdict: "no account"} // an output that no rule produces
	case err != nil:
		return output{unknown: true}
	case in.op == opLimit:
		return output{verdict: done}
	default:
		return output{verdict: verdictLetter(decision.Verdict)}
	}
}

func verdictLetter(v credit.Verdict) string {
	return map[credit.Verdict]string{credit.VerdictReserved: "r", credit.VerdictHeld: "h", credit.VerdictReleased: "c"}[v]
}

const hotCustomer = "hot"

// limitChanger changes the limit, as an operator does. It caches what it has read of the
// account.
type limitChanger struct {
	client  *kurrent.Client
	account *credit.Account
	next    uint64
}

func newLimitChanger(client *kurrent.Client) *limitChanger {
	return &limitChanger{client: client, account: credit.NewAccount(hotCustomer)}
}

func (k *limitChanger) changeLimit(ctx context.Context, limit int64) error {
	err := k.client.ReadStream(ctx, "credit-"+hotCustomer, k.next, 0, func(e kurrent.Event) error {
		event, err := credit.DecodeEvent(e.Type, e.Data)
		k.next = e.Revision + 1
		return errors.Join(err, k.account.Apply(event))
	})
	if errors.Is(err, kurrent.ErrNotFound) {
		return credit.ErrNotOpened
	}
	if err != nil {
		return err
	}
	events, err := k.account.ChangeLimit(order.Money{Minor: limit, Currency: "USD"})
	if err != nil || len(events) == 0 {
		return err
	}
	data, err := credit.EncodeEvent(events[0])
	if err != nil {
		return err
	}
	change := kurrent.NewEvent{ID: uuid.New(), Type: credit.TypeLimitChanged, Data: data}
	_, err = k.client.Append(ctx, "credit-"+hotCustomer, kurrent.At(k.next-1), change)
	for errors.Is(err, kurrent.ErrUnavailable) && ctx.Err() == nil {
		_, err = k.client.Append(ctx, "credit-"+hotCustomer, kurrent.At(k.next-1), change)
	}
	return err
}

// injectFaults makes the gateway delay appends, drop responses, and hold some back until
// their caller has given up.
func injectFaults(gw *kurrentsimtest.Gateway, seed uint64) {
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 1))
	draw := func() float64 {
		mu.Lock()
		defer mu.Unlock()
		return random.Float64()
	}
	gw.BeforeAppends(func() {
		if p := draw(); p < 0.004 {
			<-time.After(hotTimeout + hotTimeout/2) // its caller has given up by then
		} else if p < 0.1 {
			<-time.After(time.Duration(p * float64(30*time.Millisecond)))
		}
	})
	gw.AfterAppends(func(ctx context.Context) error {
		switch p := draw(); {
		case p < 0.003:
			<-ctx.Done()
			return ctx.Err()
		case p < 0.05:
			return status.Error(codes.Unavailable, "gone")
		}
		return nil
	})
}

const hotTimeout = 400 * time.Millisecond

// hotHold is when every hold ends: one time for all, so that the model and the account
// reach the same decision.
func hotHold() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }

func hotTerms(t *testing.T) credit.Terms {
	t.Helper()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	return credit.Terms{Limits: limits, HoldUntil: hotHold()}
}

// faultyClients returns clients that connect through a gateway with faults. Several
// writers share each client, like those of one worker.
func faultyClients(t *testing.T, server *kurrentsimtest.Server, seed uint64, processes int) []*kurrent.Client {
	t.Helper()
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	injectFaults(gw, seed)
	var clients []*kurrent.Client
	for range processes {
		client, err := kurrent.Open(kurrent.Config{URL: gw.URL, AllowPlaintext: true, CallTimeout: hotTimeout})
		require.NoError(t, err)
		t.Cleanup(client.Close)
		clients = append(clients, client)
	}
	return clients
}

// The clients are in eight processes, in two, or in one: the fewer, the more requests are
// decided together.
func TestCreditAccounts_Linearizable(t *testing.T) {
	t.Parallel()
	for seed := range *seeds {
		processes := []int{8, 2, 1}[seed%3]
		t.Run(fmt.Sprintf("seed %d, %d processes", seed, processes), func(t *testing.T) {
			t.Parallel()
			server := kurrentsimtest.StartServer(t)
			clients := faultyClients(t, server, uint64(seed), processes)
			var accounts []*streams.CreditAccounts
			for _, client := range clients {
				accounts = append(accounts, streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: client, Terms: hotTerms(t), MaxRequests: 32}))
			}
			l := load{clients: 32, operations: *hotOperations, orders: 8 * *hotOperations, seed: uint64(seed), giveUp: 0.2,
				account: func(c int) (accountUnderTest, *limitChanger) {
					return accounts[c%processes], newLimitChanger(clients[c%processes])
				}}
			began := time.Now()
			history := l.run(t)
			ran := time.Since(began)
			stored := changes(t, kurrentsimtest.OpenClient(t, server.URL()))
			result := porcupine.CheckOperationsTimeout(creditModel(l.orders), narrow(t, history, stored), 5*time.Minute)
			t.Logf("%d operations in %s, %d of unknown outcome, %d events; checked in %s", len(history), ran.Round(time.Millisecond),
				unknowns(history), len(stored), (time.Since(began) - ran).Round(time.Millisecond))
			require.Equal(t, porcupine.Ok, result)
		})
	}
}

func unknowns(history []porcupine.Operation) (n int) {
	for _, o := range history {
		if o.Output.(output).unknown {
			n++
		}
	}
	return n
}
