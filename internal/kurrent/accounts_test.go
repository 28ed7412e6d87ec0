package kurrent_test

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
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// newAccounts returns accounts whose customers start with a limit of 1000.00.
func newAccounts(t *testing.T, client *kurrent.Client) *kurrent.CreditAccounts {
	t.Helper()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	return kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: client, Terms: credit.Terms{Limits: limits}})
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
	client := openClient(t, startServer(t).url())
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
			decide := func(a *kurrent.CreditAccounts) (credit.Decision, error) {
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
	client := openClient(t, startServer(t).url())
	a := kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
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
	client := openClient(t, startServer(t).url())
	a := newAccounts(t, client)
	request := requestFor(t, "c1", 1, "USD600.00")
	request.Source = order.Source{EventID: "cause", CorrelationID: "checkout-9", Traceparent: "00-1-2-01"}
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	request.Source = order.Source{EventID: "cause"}
	_, err = a.Release(t.Context(), request, credit.Cause{Reason: "CANCELLED"})
	require.NoError(t, err)
	for revision, want := range []string{
		`{"$correlationId":"checkout-9","$causationId":"cause","traceparent":"00-1-2-01"}`,
		`{"$correlationId":"checkout-9","$causationId":"cause","traceparent":"00-1-2-01"}`,
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
	client := openClient(t, startServer(t).url())
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

// retryUntilDone retries while the account is busy or unavailable, as a workflow does.
func retryUntilDone(ctx context.Context, reserve func() (credit.Decision, error)) (credit.Decision, error) {
	for {
		decision, err := reserve()
		if !errors.Is(err, kurrent.ErrConflict) && !errors.Is(err, kurrent.ErrUnavailable) || ctx.Err() != nil {
			return decision, err
		}
	}
}

func TestReserve_ThirtyTwoWriters(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), waitLimit)
	defer cancel()
	var mu sync.Mutex
	verdicts := map[credit.Verdict]int{}
	var writers sync.WaitGroup
	for process := range 4 {
		a := newAccounts(t, openClient(t, server.url()))
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
	require.Len(t, accountHistory(t, openClient(t, server.url()), "c1"), 1+160)
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
			server := startServer(t)
			gw := startGateway(t, server.addr())
			client, err := kurrent.Open(kurrent.Config{URL: gw.url, AllowPlaintext: true, CallTimeout: 150 * time.Millisecond})
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
			for _, line := range accountHistory(t, openClient(t, server.url()), "c1") {
				seen[line]++
				require.Equal(t, 1, seen[line], line)
			}
			require.Len(t, seen, 1+12)
		})
	}
}

// dropResponses drops the responses to the next count appends.
func dropResponses(gw *gateway, count int, lose func(context.Context) error) {
	var lost atomic.Int64
	gw.afterAppends(func(ctx context.Context) error {
		if lost.Add(1) <= int64(count) {
			return lose(ctx)
		}
		return nil
	})
}

func TestReserve_OneLostResponse(t *testing.T) {
	t.Parallel()
	gw := startGateway(t, startServer(t).addr())
	dropResponses(gw, 1, func(context.Context) error { return status.Error(codes.Unavailable, "gone") })
	decision, err := newAccounts(t, openClient(t, gw.url)).Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestReserve_AfterRelease(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	gw := startGateway(t, server.addr())
	direct := openClient(t, server.url())
	late, prompt := newAccounts(t, openClient(t, gw.url)), newAccounts(t, direct)
	request := requestFor(t, "c1", 1, "USD60.00")
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	gw.beforeAppends(func() {
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

func TestReserve_CachedAccount(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	direct := openClient(t, server.url())
	opened := event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`)
	_, err := direct.Append(t.Context(), "credit-c1", kurrent.NoStream(), opened)
	require.NoError(t, err)
	for batch := range 6 { // 3000 orders, reserved and released
		events := make([]kurrent.NewEvent, 0, 1000)
		for i := range 500 {
			n := 500*batch + i
			events = append(events,
				event(credit.TypeReserved, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00"}`, n)),
				event(credit.TypeReleased, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00","reason":"paid"}`, n)))
		}
		_, err := direct.Append(t.Context(), "credit-c1", kurrent.Any(), events...)
		require.NoError(t, err)
	}
	gw := startGateway(t, server.addr())
	a := newAccounts(t, openClient(t, gw.url))
	for n, want := range []int{6001, 0, 0, 2} {
		if want == 2 { // another process has written meanwhile
			for extra := range want {
				_, err := newAccounts(t, direct).Reserve(t.Context(), requestFor(t, "c1", 20_000+extra, "USD1.00"))
				require.NoError(t, err)
			}
		}
		began, before := time.Now(), gw.eventsRead()
		_, err := a.Reserve(t.Context(), requestFor(t, "c1", 10_000+n, "USD1.00"))
		require.NoError(t, err)
		require.Equal(t, want, gw.eventsRead()-before)
		t.Logf("%d events read in %s", want, time.Since(began))
	}
}

func TestReserve_IncompleteStream(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*testing.T, *node, *kurrent.Client){
		"its beginning was cut off": func(t *testing.T, server *node, _ *kurrent.Client) { truncate(t, server.url(), "credit-c1", 1) },
		"it was deleted and written again": func(t *testing.T, server *node, client *kurrent.Client) {
			softDelete(t, server)
			_, err := client.Append(t.Context(), "credit-c1", kurrent.Any(), event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`))
			require.NoError(t, err)
		},
		"it was deleted": func(t *testing.T, server *node, _ *kurrent.Client) { softDelete(t, server) },
		"it was tombstoned": func(t *testing.T, server *node, _ *kurrent.Client) {
			_, err := officialClient(t, server.url()).TombstoneStream(t.Context(), "credit-c1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			client := openClient(t, server.url())
			a := newAccounts(t, client)
			_, err := a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
			require.NoError(t, err)
			damage(t, server, client)
			fresh := newAccounts(t, client)
			for range 2 { // the second attempt fails in the same way
				_, err = fresh.Reserve(t.Context(), requestFor(t, "c1", 2, "USD60.00"))
				require.ErrorIs(t, err, kurrent.ErrTruncated)
				require.ErrorIs(t, err, credit.ErrHistory)
			}
		})
	}
}

func softDelete(t *testing.T, server *node) {
	t.Helper()
	_, err := officialClient(t, server.url()).DeleteStream(t.Context(), "credit-c1", kurrentdb.DeleteStreamOptions{})
	require.NoError(t, err)
}

func TestReserve_CachedAccountDeletedStream(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	a := newAccounts(t, openClient(t, server.url()))
	request := requestFor(t, "c1", 1, "USD60.00")
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	softDelete(t, server)
	_, err = a.Reserve(t.Context(), request)
	require.ErrorIs(t, err, kurrent.ErrTruncated)
}

func TestReserve_StaleNode(t *testing.T) {
	t.Parallel()
	gw := startGateway(t, startServer(t).addr())
	a := newAccounts(t, openClient(t, gw.url))
	_, err := a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	gw.makeStale()
	decision, err := a.Reserve(t.Context(), requestFor(t, "c1", 2, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

// The rule is that of internal/order: a customer id that an order cannot have has no
// account.
func TestReserve_InvalidCustomer(t *testing.T) {
	t.Parallel()
	a := newAccounts(t, openClient(t, urlOf(closedAddress(t))))
	for _, customer := range []string{"", " ", "\u2003", "a\nb", strings.Repeat("a", 129)} {
		_, err := a.Reserve(t.Context(), requestFor(t, customer, 1, "USD60.00"))
		require.ErrorIs(t, err, kurrent.ErrInvalid, "%q", customer)
	}
}

func TestReserve_UnknownEvent(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	_, err := client.Append(t.Context(), "credit-c1", kurrent.NoStream(), event("credit-score-bought", `{}`))
	require.NoError(t, err)
	_, err = newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
	require.ErrorIs(t, err, credit.ErrUnknownEvent)
	require.NotErrorIs(t, err, credit.ErrHistory, "a newer version may know it")
	_, err = client.Append(t.Context(), "credit-c2", kurrent.NoStream(), event(credit.TypeReserved, `{"orderId":"order-1","amount":"USD60.00"}`))
	require.NoError(t, err)
	_, err = newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c2", 1, "USD60.00"))
	var history *credit.HistoryError
	require.ErrorAs(t, err, &history)
	require.ErrorIs(t, err, credit.ErrHistory)
}

func TestReserve_FailedAppend(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	gw := startGateway(t, server.addr())
	client, err := kurrent.Open(kurrent.Config{URL: gw.url, AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	a := newAccounts(t, client)
	_, err = a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD600.00"))
	require.NoError(t, err)
	gw.refuseAppends(true)
	_, err = a.Reserve(t.Context(), requestFor(t, "c1", 2, "USD300.00"))
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	gw.refuseAppends(false)
	decision, err := a.Reserve(t.Context(), requestFor(t, "c1", 3, "USD400.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestReserve_BusyCustomerContext(t *testing.T) {
	t.Parallel()
	gw := startGateway(t, startServer(t).addr())
	a := newAccounts(t, openClient(t, gw.url))
	arrived, release := make(chan struct{}, 1), make(chan struct{})
	gw.beforeAppends(func() {
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
	requireWithin(t, promptly, func() {
		_, err := a.Reserve(ctx, requestFor(t, "c1", 2, "USD1.00"))
		require.ErrorIs(t, err, kurrent.ErrConflict)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	close(release)
	require.NoError(t, <-decided)
}

func TestReserve_Conflict(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	client := openClient(t, startStub(t, func(method string, stream grpc.ServerStream) error {
		if method == "/event_store.client.streams.Streams/Read" {
			missing := &streams.ReadResp_StreamNotFound{StreamIdentifier: streamID("s")}
			return stream.SendMsg(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: missing}})
		}
		receiveAppend(stream)
		tries.Add(1)
		wrong := &streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}},
		}
		return stream.SendMsg(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong}})
	}))
	_, err := newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c1", 1, "USD1.00"))
	require.ErrorIs(t, err, kurrent.ErrConflict)
	require.Greater(t, tries.Load(), int64(2))
}

func TestReserve_SmallCache(t *testing.T) {
	t.Parallel()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	a := kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
		Client: openClient(t, startServer(t).url()), Terms: credit.Terms{Limits: limits}, CacheSize: 1,
	})
	for n := range 12 {
		for _, customer := range []string{"c1", "c2", "c3"} {
			decision, err := a.Reserve(t.Context(), requestFor(t, customer, n, "USD100.00"))
			require.NoError(t, err)
			require.Equal(t, n < 10, decision.Verdict == credit.VerdictReserved)
		}
	}
}
