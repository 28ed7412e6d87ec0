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

// accounts keeps accounts of customers who start with a limit of 1000.00.
func accounts(t *testing.T, client *kurrent.Client) *kurrent.CreditAccounts {
	t.Helper()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	return kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: client, Terms: credit.Terms{Limits: limits}})
}

// asked is a request about an order, for an amount such as "USD100.00".
func asked(t *testing.T, customerID string, number int, amount string) credit.Request {
	t.Helper()
	money, err := order.ParseMoney(amount)
	require.NoError(t, err)
	return credit.Request{
		CustomerID: customerID, OrderID: fmt.Sprintf("order-%d", number), Amount: money,
		Source: order.Source{EventID: uuid.NewString()},
	}
}

// history gives a customer's stream in short.
func history(t *testing.T, client *kurrent.Client, customerID string) []string {
	t.Helper()
	var lines []string
	err := client.ReadStream(t.Context(), "credit-"+customerID, 0, 0, func(e kurrent.Event) error {
		lines = append(lines, e.Type+" "+string(e.Data))
		return nil
	})
	require.NoError(t, err)
	return lines
}

func TestAnAccountKeepsWhatItDecided(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	a := accounts(t, client)
	const customer = "Käthe & Söhne/7 @home" // a name is taken as it is
	for _, step := range []struct {
		number         int
		amount, reason string // with a reason it is a release
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
			request := asked(t, customer, step.number, step.amount)
			decide := func(a *kurrent.CreditAccounts) (credit.Decision, error) {
				if step.reason != "" {
					return a.Release(t.Context(), request, credit.Cause{Reason: step.reason})
				}
				return a.Reserve(t.Context(), request)
			}
			cached, err := decide(a)
			require.NoError(t, err)
			require.Equal(t, step.want, cached.Verdict, "%+v", step)
			fresh, err := decide(accounts(t, client))
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
	}, history(t, client, customer))
}

func TestAHeldOrderIsApprovedOutsideTheRule(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	a := kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
		Client: client, Terms: credit.Terms{UnknownCustomer: credit.UnknownHold},
	})
	request := asked(t, "c1", 1, "USD600.00")
	request.HoldUntil = hotHold()
	held, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, credit.VerdictHeld, held.Verdict)
	require.Equal(t, hotHold(), held.HoldUntil)
	request.HoldUntil = hotHold().Add(time.Hour)
	again, err := accounts(t, client).Reserve(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, held, again, "the hold ends when it was first said to end")
	_, err = a.Approve(t.Context(), request, "op-7")
	require.ErrorIs(t, err, credit.ErrNoLimit)
	decision, err := accounts(t, client).Approve(t.Context(), request, "op-7")
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
	require.Contains(t, history(t, client, "c1"), `credit-reserved {"orderId":"order-1","amount":"USD600.00","approvedBy":"op-7"}`)
}

func TestEventsTellWhereTheyComeFrom(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	a := accounts(t, client)
	request := asked(t, "c1", 1, "USD600.00")
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

// The layout of the ids is for ever: an append that is repeated across an upgrade must not write twice.
func TestEventIDsNeverChange(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	a := accounts(t, client)
	request := asked(t, "c1", 1, "USD600.00")
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
	// As another implementation of UUIDv5 makes them, of names such as
	// "orderflow:credit-c1\nreserve order-1\n1\ncredit-reserved\n<sha256 of the data>".
	require.Equal(t, []string{
		"f9361467-23a1-5fad-a50d-5805d9fbf0bb",
		"52e97c99-7e8e-5e39-898c-bf2d9f9acbd7",
		"3fa94619-7f5d-5f48-afa5-f31c37e1bfe7",
	}, ids)
}

// insist asks again while the account is busy, as a workflow does.
func insist(ctx context.Context, reserve func() (credit.Decision, error)) (credit.Decision, error) {
	for {
		decision, err := reserve()
		if !errors.Is(err, kurrent.ErrConflict) && !errors.Is(err, kurrent.ErrUnavailable) || ctx.Err() != nil {
			return decision, err
		}
	}
}

func TestThirtyTwoWritersNeverPassTheLimitAndAllGetADecision(t *testing.T) {
	t.Parallel()
	server := sim(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var mu sync.Mutex
	verdicts := map[credit.Verdict]int{}
	var writers sync.WaitGroup
	for process := range 4 {
		a := accounts(t, open(t, server.url()))
		for writer := range 8 {
			writers.Go(func() {
				for n := range 5 {
					request := asked(t, "c1", 100*process+10*writer+n, "USD30.00")
					decision, err := insist(ctx, func() (credit.Decision, error) { return a.Reserve(ctx, request) })
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
	require.Len(t, history(t, open(t, server.url()), "c1"), 1+160)
}

func TestALostAnswerIsNoSecondReservation(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(context.Context) error{
		"because the connection broke": func(context.Context) error { return status.Error(codes.Unavailable, "gone") },
		"because nothing came any more": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sim(t)
			between := startGateway(t, server.addr())
			client, err := kurrent.Open(kurrent.Config{URL: between.url, AllowPlaintext: true, CallTimeout: 150 * time.Millisecond})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			a := accounts(t, client)
			for n := range 12 {
				loseAnswers(between, n%4+1, lose) // the first, or also those to the repeated append, and to who asks again
				request := asked(t, "c1", n, "USD60.00")
				_, err := insist(t.Context(), func() (credit.Decision, error) { return a.Reserve(t.Context(), request) })
				require.NoError(t, err)
			}
			seen := map[string]int{}
			for _, line := range history(t, open(t, server.url()), "c1") {
				seen[line]++
				require.Equal(t, 1, seen[line], line)
			}
			require.Len(t, seen, 1+12)
		})
	}
}

// loseAnswers loses the answers to the next count appends.
func loseAnswers(between *gateway, count int, lose func(context.Context) error) {
	var lost atomic.Int64
	between.afterAppends(func(ctx context.Context) error {
		if lost.Add(1) <= int64(count) {
			return lose(ctx)
		}
		return nil
	})
}

func TestAnAnswerThatIsLostOnceIsAskedForAgainAtOnce(t *testing.T) {
	t.Parallel()
	between := startGateway(t, sim(t).addr())
	loseAnswers(between, 1, func(context.Context) error { return status.Error(codes.Unavailable, "gone") })
	decision, err := accounts(t, open(t, between.url)).Reserve(t.Context(), asked(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestALateReserveDoesNotSlipInBehindTheRelease(t *testing.T) {
	t.Parallel()
	server := sim(t)
	between := startGateway(t, server.addr())
	direct := open(t, server.url())
	late, prompt := accounts(t, open(t, between.url)), accounts(t, direct)
	request := asked(t, "c1", 1, "USD60.00")
	arrived, letGo := make(chan struct{}, 1), make(chan struct{})
	between.beforeAppends(func() {
		arrived <- struct{}{}
		<-letGo
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
	close(letGo)
	require.Equal(t, credit.VerdictReleased, (<-decided).Verdict)
	require.Equal(t, []string{`credit-released {"orderId":"order-1","amount":"USD0.00","reason":"CANCELLED"}`}, history(t, direct, "c1"))
}

func TestOfACachedAccountOnlyTheTailIsRead(t *testing.T) {
	t.Parallel()
	server := sim(t)
	direct := open(t, server.url())
	opened := event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`)
	_, err := direct.Append(t.Context(), "credit-c1", kurrent.NoStream(), opened)
	require.NoError(t, err)
	for batch := range 6 { // 3000 orders that came and went
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
	between := startGateway(t, server.addr())
	a := accounts(t, open(t, between.url))
	for n, want := range []int{6001, 0, 0, 2} {
		if want == 2 { // meanwhile somebody else wrote
			for extra := range want {
				_, err := accounts(t, direct).Reserve(t.Context(), asked(t, "c1", 20_000+extra, "USD1.00"))
				require.NoError(t, err)
			}
		}
		began, before := time.Now(), between.eventsRead()
		_, err := a.Reserve(t.Context(), asked(t, "c1", 10_000+n, "USD1.00"))
		require.NoError(t, err)
		require.Equal(t, want, between.eventsRead()-before)
		t.Logf("%d events read in %s", want, time.Since(began))
	}
}

func TestAStreamThatIsNotWholeIsRefused(t *testing.T) {
	t.Parallel()
	for name, harm := range map[string]func(*testing.T, *node, *kurrent.Client){
		"its beginning was cut off": func(t *testing.T, server *node, _ *kurrent.Client) { truncate(t, server.url(), "credit-c1", 1) },
		"it was deleted and written again": func(t *testing.T, server *node, client *kurrent.Client) {
			softDelete(t, server)
			_, err := client.Append(t.Context(), "credit-c1", kurrent.Any(), event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`))
			require.NoError(t, err)
		},
		"it was deleted": func(t *testing.T, server *node, _ *kurrent.Client) { softDelete(t, server) },
		"it was deleted for ever": func(t *testing.T, server *node, _ *kurrent.Client) {
			_, err := bare(t, server.url()).TombstoneStream(t.Context(), "credit-c1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sim(t)
			client := open(t, server.url())
			a := accounts(t, client)
			_, err := a.Reserve(t.Context(), asked(t, "c1", 1, "USD60.00"))
			require.NoError(t, err)
			harm(t, server, client)
			fresh := accounts(t, client)
			for range 2 { // the second time it is known no better
				_, err = fresh.Reserve(t.Context(), asked(t, "c1", 2, "USD60.00"))
				require.ErrorIs(t, err, kurrent.ErrTruncated)
				require.ErrorIs(t, err, credit.ErrHistory)
			}
		})
	}
}

func softDelete(t *testing.T, server *node) {
	t.Helper()
	_, err := bare(t, server.url()).DeleteStream(t.Context(), "credit-c1", kurrentdb.DeleteStreamOptions{})
	require.NoError(t, err)
}

func TestACachedAccountWhoseStreamIsGoneIsRefused(t *testing.T) {
	t.Parallel()
	server := sim(t)
	a := accounts(t, open(t, server.url()))
	request := asked(t, "c1", 1, "USD60.00")
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	softDelete(t, server)
	_, err = a.Reserve(t.Context(), request)
	require.ErrorIs(t, err, kurrent.ErrTruncated)
}

func TestOneStaleAnswerDoesNotMakeAnAccountGone(t *testing.T) {
	t.Parallel()
	between := startGateway(t, sim(t).addr())
	a := accounts(t, open(t, between.url))
	_, err := a.Reserve(t.Context(), asked(t, "c1", 1, "USD60.00"))
	require.NoError(t, err)
	between.depose()
	decision, err := a.Reserve(t.Context(), asked(t, "c1", 2, "USD60.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

// The rule is internal/order's: what an order cannot name has no account.
func TestAnAccountHasTheNameOfACustomer(t *testing.T) {
	t.Parallel()
	a := accounts(t, open(t, urlOf(refusing(t))))
	for _, customer := range []string{"", " ", "\u2003", "a\nb", strings.Repeat("a", 129)} {
		_, err := a.Reserve(t.Context(), asked(t, customer, 1, "USD60.00"))
		require.ErrorIs(t, err, kurrent.ErrInvalid, "%q", customer)
	}
}

func TestAnEventNobodyKnowsStopsTheAccount(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	_, err := client.Append(t.Context(), "credit-c1", kurrent.NoStream(), event("credit-score-bought", `{}`))
	require.NoError(t, err)
	_, err = accounts(t, client).Reserve(t.Context(), asked(t, "c1", 1, "USD60.00"))
	require.ErrorIs(t, err, credit.ErrUnknownEvent)
	require.NotErrorIs(t, err, credit.ErrHistory, "a newer version may know it")
	_, err = client.Append(t.Context(), "credit-c2", kurrent.NoStream(), event(credit.TypeReserved, `{"orderId":"order-1","amount":"USD60.00"}`))
	require.NoError(t, err)
	_, err = accounts(t, client).Reserve(t.Context(), asked(t, "c2", 1, "USD60.00"))
	var history *credit.HistoryError
	require.ErrorAs(t, err, &history)
	require.ErrorIs(t, err, credit.ErrHistory)
}

func TestWhatWasNotWrittenIsNotInTheCachedAccount(t *testing.T) {
	t.Parallel()
	server := sim(t)
	between := startGateway(t, server.addr())
	client, err := kurrent.Open(kurrent.Config{URL: between.url, AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	a := accounts(t, client)
	_, err = a.Reserve(t.Context(), asked(t, "c1", 1, "USD600.00"))
	require.NoError(t, err)
	between.refuseAppends(true)
	_, err = a.Reserve(t.Context(), asked(t, "c1", 2, "USD300.00"))
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	between.refuseAppends(false)
	decision, err := a.Reserve(t.Context(), asked(t, "c1", 3, "USD400.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

func TestACallerWhoWaitsForABusyCustomerCanGiveUp(t *testing.T) {
	t.Parallel()
	between := startGateway(t, sim(t).addr())
	a := accounts(t, open(t, between.url))
	arrived, letGo := make(chan struct{}, 1), make(chan struct{})
	between.beforeAppends(func() {
		arrived <- struct{}{}
		<-letGo
	})
	decided := make(chan error, 1)
	go func() {
		_, err := a.Reserve(t.Context(), asked(t, "c1", 1, "USD1.00"))
		decided <- err
	}()
	<-arrived
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	within(t, soon, func() {
		_, err := a.Reserve(ctx, asked(t, "c1", 2, "USD1.00"))
		require.ErrorIs(t, err, kurrent.ErrConflict)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	close(letGo)
	require.NoError(t, <-decided)
}

func TestAnAccountThatOthersKeepWritingToIsBusy(t *testing.T) {
	t.Parallel()
	var tries atomic.Int64
	client := open(t, startStub(t, func(method string, stream grpc.ServerStream) error {
		if method == "/event_store.client.streams.Streams/Read" {
			missing := &streams.ReadResp_StreamNotFound{StreamIdentifier: streamID("s")}
			return stream.SendMsg(&streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{StreamNotFound: missing}})
		}
		drain(stream)
		tries.Add(1)
		wrong := &streams.AppendResp_WrongExpectedVersion{
			CurrentRevisionOption: &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}},
		}
		return stream.SendMsg(&streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: wrong}})
	}))
	_, err := accounts(t, client).Reserve(t.Context(), asked(t, "c1", 1, "USD1.00"))
	require.ErrorIs(t, err, kurrent.ErrConflict)
	require.Greater(t, tries.Load(), int64(2))
}

func TestASmallCacheForgetsAndDecidesTheSame(t *testing.T) {
	t.Parallel()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	a := kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{
		Client: open(t, sim(t).url()), Terms: credit.Terms{Limits: limits}, CacheSize: 1,
	})
	for n := range 12 {
		for _, customer := range []string{"c1", "c2", "c3"} {
			decision, err := a.Reserve(t.Context(), asked(t, customer, n, "USD100.00"))
			require.NoError(t, err)
			require.Equal(t, n < 10, decision.Verdict == credit.VerdictReserved)
		}
	}
}
