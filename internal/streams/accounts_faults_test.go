package streams_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// Each writer is a process of its own: only the stream's revision keeps them apart.
func TestReserve_ThirtyTwoProcesses(t *testing.T) {
	t.Parallel()
	const orders = 8
	server := kurrentsimtest.StartServer(t)
	var mu sync.Mutex
	var took []time.Duration
	conflicts := 0
	var writers sync.WaitGroup
	for process := range 32 {
		a := newAccounts(t, kurrentsimtest.OpenClient(t, server.URL()))
		writers.Go(func() {
			for n := range orders {
				request := requestFor(t, "c1", 100*process+n, "USD30.00")
				began, busy := time.Now(), 0
				_, err := retryUntilDone(t.Context(), func() (credit.Decision, error) {
					decision, err := a.Reserve(t.Context(), request)
					if errors.Is(err, credit.ErrBusy) {
						busy++
					}
					return decision, err
				})
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				took, conflicts = append(took, time.Since(began)), conflicts+busy
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	slices.Sort(took)
	t.Logf("%d decisions, %d conflicts; median %s, slowest %s", len(took), conflicts, took[len(took)/2], took[len(took)-1])
	require.Less(t, took[len(took)-1], kurrentsimtest.WaitLimit)
	requireWithinLimit(t, kurrentsimtest.OpenClient(t, server.URL()), "c1", 32*orders)
}

// requireWithinLimit folds a customer's stream and checks every prefix of it.
func requireWithinLimit(t *testing.T, client *kurrent.Client, customer string, decisions int) {
	t.Helper()
	account, orders := credit.NewAccount(customer), map[string]int{}
	err := client.ReadStream(t.Context(), "credit-"+customer, 0, 0, func(e kurrent.Event) error {
		event, err := credit.DecodeEvent(e.Type, e.Data)
		if err != nil {
			return err
		}
		switch e := event.(type) {
		case credit.Reserved:
			orders[e.OrderID]++
		case credit.LimitExceeded:
			orders[e.OrderID]++
		}
		if err := account.Apply(event); err != nil {
			return err
		}
		require.LessOrEqual(t, account.Reserved().Minor, account.Limit().Minor)
		return nil
	})
	require.NoError(t, err)
	require.Len(t, orders, decisions)
	for id, n := range orders {
		require.Equal(t, 1, n, id)
	}
}

func TestReserve_HundredLostResponses(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	for n := range 100 {
		// The response to the append, or also to its repetition, after which the caller
		// has to retry.
		dropResponses(gw, 1+n%3, func(context.Context) error { return status.Error(codes.Unavailable, "gone") })
		request := requestFor(t, "c1", n, "USD1.00")
		decision, err := retryUntilDone(t.Context(), func() (credit.Decision, error) { return a.Reserve(t.Context(), request) })
		require.NoError(t, err)
		require.Equal(t, credit.VerdictReserved, decision.Verdict)
	}
	requireWithinLimit(t, kurrentsimtest.OpenClient(t, server.URL()), "c1", 100)
}

// writeLongStream writes an account that was opened and had the given number of orders
// reserved and released, two events each.
func writeLongStream(t *testing.T, client *kurrent.Client, customer string, orders int) {
	t.Helper()
	stream := "credit-" + customer
	_, err := client.Append(t.Context(), stream, kurrent.NoStream(), kurrentsimtest.Event(credit.TypeOpened, `{"customerId":"`+customer+`","limit":"USD1000.00"}`))
	require.NoError(t, err)
	for first := 0; first < orders; first += 500 {
		var events []kurrent.NewEvent
		for n := first; n < min(first+500, orders); n++ {
			events = append(events,
				kurrentsimtest.Event(credit.TypeReserved, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00"}`, n)),
				kurrentsimtest.Event(credit.TypeReleased, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00","reason":"paid"}`, n)))
		}
		_, err := client.Append(t.Context(), stream, kurrent.Any(), events...)
		require.NoError(t, err)
	}
}

// It is not parallel, because it measures the memory of the process.
func TestReserve_HundredThousandEvents(t *testing.T) {
	server := kurrentsimtest.StartServer(t)
	writeLongStream(t, kurrentsimtest.OpenClient(t, server.URL()), "c1", 50_000)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	before := heapSize()
	began := time.Now()
	_, err := a.Reserve(t.Context(), requestFor(t, "c1", 100_000, "USD1.00"))
	require.NoError(t, err)
	cold, held := time.Since(began), heapSize()-before
	require.Equal(t, 100_001, gw.EventsRead())
	var took []time.Duration
	for n := range 100 {
		began := time.Now()
		_, err := a.Reserve(t.Context(), requestFor(t, "c1", 100_001+n, "USD1.00"))
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	require.Equal(t, 100_001, gw.EventsRead(), "a folded account is not read again")
	slices.Sort(took)
	t.Logf("first decision after %s, with %d MiB; then median %s, slowest %s", cold.Round(time.Millisecond), held>>20, took[50], took[99])
	require.Less(t, held, int64(64<<20))
	require.Less(t, took[50], cold/10)
	runtime.KeepAlive(a)
}

func heapSize() int64 {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

// A stream too long to be read within one attempt is read further by the next.
func TestReserve_LongStreamIsReadOnce(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	writeLongStream(t, kurrentsimtest.OpenClient(t, server.URL()), "c1", 2000)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	attempts := 0
	for ; ; attempts++ {
		ctx, cancel := context.WithCancel(t.Context())
		read := gw.EventsRead()
		gw.OnRead(func() {
			if gw.EventsRead() > read+1000 {
				cancel()
			}
		})
		_, err := a.Reserve(ctx, requestFor(t, "c1", 5000, "USD1.00"))
		cancel()
		if err == nil {
			break
		}
		require.ErrorIs(t, err, kurrent.ErrUnavailable)
		require.Less(t, attempts, 20)
	}
	require.Positive(t, attempts)
	require.Less(t, gw.EventsRead(), 2*4001, "no attempt starts from the beginning")
}

// script runs random commands for a few orders of one customer, whose appends fail in
// various ways.
type script struct {
	t        *testing.T
	gw       *kurrentsimtest.Gateway
	accounts []*streams.CreditAccounts // of several processes
	customer string
	model    *credit.Account // the result of a single writer without faults
	terms    credit.Terms
}

// The default is 100 scripts; -rapid.checks=20000 makes as many.
func TestCreditAccounts_RandomCommandsWithFaults(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	direct := kurrentsimtest.OpenClient(t, server.URL())
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	clients := []*kurrent.Client{kurrentsimtest.OpenClient(t, gw.URL), kurrentsimtest.OpenClient(t, gw.URL)}
	customers := 0
	rapid.Check(t, func(rt *rapid.T) {
		customers++
		s := &script{t: t, gw: gw, customer: fmt.Sprintf("c%d", customers), terms: hotTerms(t)}
		s.model = credit.NewAccount(s.customer)
		for _, client := range clients {
			s.accounts = append(s.accounts, streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: client, Terms: s.terms}))
		}
		for range rapid.IntRange(1, 12).Draw(rt, "commands") {
			s.command(rt)
		}
		stored := credit.NewAccount(s.customer)
		err := direct.ReadStream(t.Context(), "credit-"+s.customer, 0, 0, func(e kurrent.Event) error {
			event, err := credit.DecodeEvent(e.Type, e.Data)
			return errors.Join(err, stored.Apply(event))
		})
		if !errors.Is(err, kurrent.ErrNotFound) {
			require.NoError(rt, err)
		}
		require.Equal(rt, s.model, stored)
	})
}

func (s *script) command(rt *rapid.T) {
	id := fmt.Sprintf("order-%d", rapid.IntRange(1, 4).Draw(rt, "order"))
	amount := order.Money{Minor: rapid.Int64Range(1, 700_00).Draw(rt, "amount"), Currency: "USD"}
	if decided, known := s.model.Decision(id); known && decided.Verdict == credit.VerdictHeld {
		amount = decided.Amount
	}
	request := credit.Request{CustomerID: s.customer, OrderID: id, Amount: amount, Source: order.Source{EventID: "cause"}, HoldUntil: hotHold()}
	account := rapid.SampledFrom(s.accounts).Draw(rt, "process")
	var want credit.Decision
	var events []credit.Event
	var wantErr error
	var do func() (credit.Decision, error)
	switch rapid.SampledFrom([]string{"reserve", "reserve", "approve", "release"}).Draw(rt, "command") {
	case "reserve":
		want, events, wantErr = s.model.Reserve(id, amount, s.terms)
		do = func() (credit.Decision, error) { return account.Reserve(s.t.Context(), request) }
	case "approve":
		want, events, wantErr = s.model.Approve(id, amount, "op-1", s.terms)
		do = func() (credit.Decision, error) { return account.Approve(s.t.Context(), request, "op-1") }
	default:
		want, events, wantErr = s.model.Release(id, amount, credit.Cause{Reason: "CANCELLED"})
		do = func() (credit.Decision, error) {
			return account.Release(s.t.Context(), request, credit.Cause{Reason: "CANCELLED"})
		}
	}
	for _, event := range events {
		require.NoError(rt, s.model.Apply(event))
	}
	dropResponses(s.gw, rapid.IntRange(0, 4).Draw(rt, "lost responses"), func(context.Context) error { return status.Error(codes.Unavailable, "gone") })
	s.gw.RefuseNext(rapid.IntRange(0, 3).Draw(rt, "refused appends"))
	got, err := retryUntilDone(s.t.Context(), do)
	require.ErrorIs(rt, err, wantErr)
	require.Equal(rt, want, got)
}

func TestReserve_LostResponses(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(context.Context) error{
		"because the connection broke": func(context.Context) error { return status.Error(codes.Unavailable, "gone") },
		"because no response came": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kurrentsimtest.StartServer(t)
			gw := kurrentsimtest.StartGateway(t, server.Addr())
			client, err := kurrent.Open(kurrent.Config{URL: gw.URL, AllowPlaintext: true, CallTimeout: 150 * time.Millisecond})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			a := newAccounts(t, client)
			for n := range 12 {
				dropResponses(gw, n%4+1, lose) // of the first append, or also of its repetition and of the caller's retry
				request := requestFor(t, "c1", n, "USD60.00")
				_, err := retryUntilDone(t.Context(), func() (credit.Decision, error) { return a.Reserve(t.Context(), request) })
				require.NoError(t, err)
			}
			seen := map[string]int{}
			for _, line := range accountHistory(t, kurrentsimtest.OpenClient(t, server.URL()), "c1") {
				seen[line]++
				require.Equal(t, 1, seen[line], line)
			}
			require.Len(t, seen, 1+12)
		})
	}
}

// dropResponses drops the responses to the next count appends.
func dropResponses(gw *kurrentsimtest.Gateway, count int, lose func(context.Context) error) {
	var lost atomic.Int64
	gw.AfterAppends(func(ctx context.Context) error {
		if lost.Add(1) <= int64(count) {
			return lose(ctx)
		}
		return nil
	})
}

func TestReserve_OneLostResponse(t *testing.T) {
	t.Parallel()
	gw := kurrentsimtest.StartGateway(t, kurrentsimtest.StartServer(t).Addr())
	dropResponses(gw, 1, func(context.Context) error { return status.Error(codes.Unavailable, "gone") })
	decision, err := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL)).Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestReserve_AfterRelease(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	direct := kurrentsimtest.OpenClient(t, server.URL())
	late, prompt := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL)), newAccounts(t, direct)
	request := requestFor(t, "c1", 1, "USD60.00")
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	gw.BeforeAppends(func() {
		arrived <- struct{}{}
		<-release
	})
	decided := make(chan credit.Decision, 1)
	go func() {
		decision, err := late.Reserve(t.Context(), request)
		if err != nil {
			t.Error(err)
		}
		decided <- decision
	}()
	<-arrived
	_, err := prompt.Release(t.Context(), request, credit.Cause{Reason: "CANCELLED"})
	require.NoError(t, err)
	close(release)
	require.Equal(t, credit.VerdictReleased, (<-decided).Verdict)
	require.Equal(t, []string{`credit-released {"orderId":"order-1","amount":"USD0.00","reason":"CANCELLED"}`}, accountHistory(t, direct, "c1"))
}

func TestReserve_StaleNode(t *testing.T) {
	t.Parallel()
	gw := kurrentsimtest.StartGateway(t, kurrentsimtest.StartServer(t).Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	_, err := a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	gw.MakeStale()
	decision, err := a.Reserve(t.Context(), requestFor(t, "c1", 2, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestReserve_FailedAppend(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	client, err := kurrent.Open(kurrent.Config{URL: gw.URL, AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	a := newAccounts(t, client)
	reserve := func(number int, amount string) (credit.Decision, error) { // on a slow machine a call may take longer
		request := requestFor(t, "c1", number, amount)
		return retryUntilDone(t.Context(), func() (credit.Decision, error) { return a.Reserve(t.Context(), request) })
	}
	_, err = reserve(1, "USD600.00")
	require.NoError(t, err)
	gw.RefuseAppends(true)
	_, err = a.Reserve(t.Context(), requestFor(t, "c1", 2, "USD300.00"))
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	gw.RefuseAppends(false)
	decision, err := reserve(3, "USD400.00")
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}
