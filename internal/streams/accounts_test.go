package streams_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	wire "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// newAccounts returns accounts whose customers start with a limit of 1000.00.
func newAccounts(t *testing.T, client *kurrent.Client) *streams.CreditAccounts {
	t.Helper()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	return streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: client, Terms: credit.Terms{Limits: limits}})
}

// requestFor returns a request about an order, for an amount such as "USD100.00".
func requestFor(t *testing.T, customerID string, number int, amount string) credit.Request {
	t.Helper()
	money, err := order.ParseMoney(amount)
	require.NoError(t, err)
	return credit.Request{
		CustomerID: customerID, OrderID: fmt.Sprintf("order-%d", number), Amount: money,
		Source: order.Source{EventID: uuid.NewString()},
	}
}

// accountHistory returns a customer's stream, one line per event.
func accountHistory(t *testing.T, client *kurrent.Client, customerID string) []string {
	t.Helper()
	var lines []string
	err := client.ReadStream(t.Context(), "credit-"+customerID, 0, 0, func(e kurrent.Event) error {
		lines = append(lines, e.Type+" "+string(e.Data))
		return nil
	})
	require.NoError(t, err)
	return lines
}

func TestCreditAccounts_ReserveAndRelease(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	a := newAccounts(t, client)
	const customer = "Käthe & Söhne/7 @home" // a name is used unchanged
	for _, step := range []struct {
		number         int
		amount, reason string // a step with a reason is a release
		want           credit.Verdict
	}{
		{number: 1, amount: "USD600.00", want: credit.VerdictReserved},
		{number: 2, amount: "USD500.00", want: credit.VerdictRefused},
		{number: 1, amount: "USD600.00", want: credit.VerdictReserved},
		{number: 1, amount: "USD0.00", reason: "CANCELLED", want: credit.VerdictReleased},
		{number: 1, amount: "USD0.00", reason: "CANCELLED", want: credit.VerdictReleased},
		{number: 2, amount: "USD500.00", want: credit.VerdictRefused},
		{number: 3, amount: "USD0.00", reason: "CANCELLED", want: credit.VerdictReleased},
		{number: 3, amount: "USD1.00", want: credit.VerdictReleased}, // too late
		{number: 4, amount: "EUR1.00", want: credit.VerdictRefused},
	} {
		for range 2 { // from the cache, and from the stream
			request := requestFor(t, customer, step.number, step.amount)
			decide := func(a *streams.CreditAccounts) (credit.Decision, error) {
				if step.reason != "" {
					return a.Release(t.Context(), request, credit.Cause{Reason: step.reason})
				}
				return a.Reserve(t.Context(), request)
			}
			cached, err := decide(a)
			require.NoError(t, err)
			require.Equal(t, step.want, cached.Verdict, "%+v", step)
			fresh, err := decide(newAccounts(t, client))
			require.NoError(t, err)
			require.Equal(t, cached, fresh)
		}
	}
	require.Equal(t, []string{
		`credit-account-opened {"customerId":"Käthe & Söhne/7 @home","limit":"USD1000.00"}`,
		`credit-reserved {"orderId":"order-1","amount":"USD600.00"}`,
		`credit-limit-exceeded {"orderId":"order-2","amount":"USD500.00","available":"USD400.00","held":false}`,
		`credit-released {"orderId":"order-1","amount":"USD600.00","reason":"CANCELLED"}`,
		`credit-released {"orderId":"order-3","amount":"USD0.00","reason":"CANCELLED"}`,
		`credit-limit-exceeded {"orderId":"order-4","amount":"EUR1.00","available":"USD1000.00","held":false}`,
	}, accountHistory(t, client, customer))
}

func TestApprove(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	a := streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: client, Terms: credit.Terms{UnknownCustomer: credit.UnknownHold},
	})
	request := requestFor(t, "c1", 1, "USD600.00")
	request.HoldUntil = hotHold()
	held, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, credit.VerdictHeld, held.Verdict)
	require.Equal(t, hotHold(), held.HoldUntil)
	request.HoldUntil = hotHold().Add(time.Hour)
	again, err := newAccounts(t, client).Reserve(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, held, again, "the end of the hold does not change")
	_, err = a.Approve(t.Context(), request, "op-7")
	require.ErrorIs(t, err, credit.ErrNoLimit)
	decision, err := newAccounts(t, client).Approve(t.Context(), request, "op-7")
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
	require.Contains(t, accountHistory(t, client, "c1"), `credit-reserved {"orderId":"order-1","amount":"USD600.00","approvedBy":"op-7"}`)
}

func TestCreditAccounts_EventMetadata(t *testing.T) {
	t.Parallel()
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	a := newAccounts(t, client)
	request := requestFor(t, "c1", 1, "USD600.00")
	request.Source = order.Source{EventID: "cause", Trace: correlation.Trace{CorrelationID: "checkout-9", Traceparent: traceparent}}
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	request.Source = order.Source{EventID: "cause"}
	_, err = a.Release(t.Context(), request, credit.Cause{Reason: "CANCELLED"})
	require.NoError(t, err)
	for revision, want := range []string{
		`{"$correlationId":"checkout-9","$causationId":"cause","traceparent":"` + traceparent + `",
			"$traceId":"4bf92f3577b34da6a3ce929d0e0e4736","$spanId":"00f067aa0ba902b7"}`,
		`{"$correlationId":"checkout-9","$causationId":"cause","traceparent":"` + traceparent + `",
			"$traceId":"4bf92f3577b34da6a3ce929d0e0e4736","$spanId":"00f067aa0ba902b7"}`,
		`{"$correlationId":"order-1","$causationId":"cause"}`,
	} {
		e, err := client.ReadEvent(t.Context(), "credit-c1", uint64(revision))
		require.NoError(t, err)
		require.JSONEq(t, want, string(e.Metadata))
	}
}

// The layout of the ids must never change: an append that is repeated across an upgrade
// must not write twice.
func TestCreditAccounts_EventIDs(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	a := newAccounts(t, client)
	request := requestFor(t, "c1", 1, "USD600.00")
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	_, err = a.Release(t.Context(), request, credit.Cause{Reason: "CANCELLED"})
	require.NoError(t, err)
	var ids []string
	err = client.ReadStream(t.Context(), "credit-c1", 0, 0, func(e kurrent.Event) error {
		ids = append(ids, e.ID.String())
		return nil
	})
	require.NoError(t, err)
	// Computed with another implementation of UUIDv5, from names such as
	// "orderflow:credit-c1\nreserve order-1\n1\ncredit-reserved\n<sha256 of the data>".
	require.Equal(t, []string{
		"f9361467-23a1-5fad-a50d-5805d9fbf0bb",
		"52e97c99-7e8e-5e39-898c-bf2d9f9acbd7",
		"3fa94619-7f5d-5f48-afa5-f31c37e1bfe7",
	}, ids)
}

func TestCreditAccounts_Decision(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	accounts := streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: client})
	_, decided, err := accounts.Decision(t.Context(), "c1", "order-1")
	require.NoError(t, err)
	require.False(t, decided)
	require.ErrorIs(t, client.ReadStream(t.Context(), "credit-c1", 0, 1, func(kurrent.Event) error { return nil }), kurrent.ErrNotFound)

	_, err = client.Append(t.Context(), "credit-c1", kurrent.NoStream(),
		kurrentsimtest.Event("credit-account-opened", `{"customerId":"c1","limit":"USD100.00"}`),
		kurrentsimtest.Event("credit-reserved", `{"orderId":"order-1","amount":"USD10.00"}`))
	require.NoError(t, err)
	decision, decided, err := accounts.Decision(t.Context(), "c1", "order-1")
	require.NoError(t, err)
	require.True(t, decided)
	require.Equal(t, "USD10.00", decision.Amount.String())
	_, _, err = accounts.Decision(t.Context(), "", "order-1")
	require.ErrorIs(t, err, kurrent.ErrInvalid)
}

// retryUntilDone retries while the account is busy or unavailable, as a workflow does.
func retryUntilDone[T any](ctx context.Context, do func() (T, error)) (T, error) {
	for {
		done, err := do()
		if !errors.Is(err, credit.ErrBusy) && !errors.Is(err, kurrent.ErrUnavailable) || ctx.Err() != nil {
			return done, err
		}
	}
}

func TestReserve_ThirtyTwoWriters(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), kurrentsimtest.WaitLimit)
	defer cancel()
	var mu sync.Mutex
	verdicts := map[credit.Verdict]int{}
	var writers sync.WaitGroup
	for process := range 4 {
		a := newAccounts(t, kurrentsimtest.OpenClient(t, server.URL()))
		for writer := range 8 {
			writers.Go(func() {
				for n := range 5 {
					request := requestFor(t, "c1", 100*process+10*writer+n, "USD30.00")
					decision, err := retryUntilDone(ctx, func() (credit.Decision, error) { return a.Reserve(ctx, request) })
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					verdicts[decision.Verdict]++
					mu.Unlock()
				}
			})
		}
	}
	writers.Wait()
	require.Equal(t, map[credit.Verdict]int{credit.VerdictReserved: 33, credit.VerdictRefused: 127}, verdicts)
	require.Len(t, accountHistory(t, kurrentsimtest.OpenClient(t, server.URL()), "c1"), 1+160)
}

// The rule is that of internal/order: a customer id that an order cannot have has no
// account.
func TestReserve_InvalidCustomer(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, kurrentsimtest.OpenClient(t, kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t))))
	for _, customer := range []string{"", " ", "\u2003", "a\nb", strings.Repeat("a", 129)} {
		_, err := a.Reserve(t.Context(), requestFor(t, customer, 1, "USD60.00"))
		require.ErrorIs(t, err, kurrent.ErrInvalid, "%q", customer)
	}
}

func TestReserve_UnknownEvent(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	_, err := client.Append(t.Context(), "credit-c1", kurrent.NoStream(), kurrentsimtest.Event("credit-score-bought", `{}`))
	require.NoError(t, err)
	_, err = newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.ErrorIs(t, err, credit.ErrUnknownEvent)
	require.NotErrorIs(t, err, credit.ErrHistory, "a newer version may know it")
	_, err = client.Append(t.Context(), "credit-c2", kurrent.NoStream(), kurrentsimtest.Event(credit.TypeReserved, `{"orderId":"order-1","amount":"USD60.00"}`))
	require.NoError(t, err)
	_, err = newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c2", 1, "USD60.00"))
	var history *credit.HistoryError
	require.ErrorAs(t, err, &history)
	require.ErrorIs(t, err, credit.ErrHistory)
}

func TestReserve_BusyCustomerContext(t *testing.T) {
	t.Parallel()
	gw := kurrentsimtest.StartGateway(t, kurrentsimtest.StartServer(t).Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	gw.BeforeAppends(func() {
		arrived <- struct{}{}
		<-release
	})
	decided := make(chan error, 1)
	go func() {
		_, err := a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD1.00"))
		decided <- err
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() {
		_, err := a.Reserve(ctx, requestFor(t, "c1", 2, "USD1.00"))
		require.ErrorIs(t, err, credit.ErrBusy)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	close(release)
	require.NoError(t, <-decided)
}

// busyAccount serves an account that another writer always writes to first. It calls met
// at each append.
func busyAccount(met func()) func(method string, stream grpc.ServerStream) error {
	return func(method string, stream grpc.ServerStream) error {
		if method == "/event_store.client.streams.Streams/Read" {
			missing := &wire.ReadResp_StreamNotFound{StreamIdentifier: kurrentsimtest.StreamID("s")}
			return stream.SendMsg(&wire.ReadResp{Content: &wire.ReadResp_StreamNotFound_{StreamNotFound: missing}})
		}
		kurrentsimtest.ReceiveAppend(stream)
		met()
		wrong := &wire.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &wire.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}},
		}
		return stream.SendMsg(&wire.AppendResp{Result: &wire.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong}})
	}
}

func TestReserve_Conflict(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, busyAccount(func() { tries.Add(1) })))
	_, err := newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c1", 1, "USD1.00"))
	require.ErrorIs(t, err, credit.ErrBusy)
	require.Greater(t, tries.Load(), int64(2))
}

func TestReserve_ConflictUntilContextEnds(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, busyAccount(cancel)))
	kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() {
		_, err := newAccounts(t, client).Reserve(ctx, requestFor(t, "c1", 1, "USD1.00"))
		require.ErrorIs(t, err, context.Canceled)
	})
}
