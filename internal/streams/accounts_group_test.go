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

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// groupRig has accounts whose first append, of the event that reserves order-0, is held
// back. Requests that are sent meanwhile wait, and are the next group.
type groupRig struct {
	*streams.CreditAccounts
	t       *testing.T
	server  *kurrentsimtest.Server
	gateway *kurrentsimtest.Gateway
	appends atomic.Int64
	release chan struct{}
	callers sync.WaitGroup
}

const groupRequests = 16

func newGroupRig(t *testing.T, options kurrentsim.Options) *groupRig {
	t.Helper()
	r := &groupRig{t: t, server: kurrentsimtest.StartServerWith(t, options), release: make(chan struct{})}
	r.gateway = kurrentsimtest.StartGateway(t, r.server.Addr())
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	r.CreditAccounts = streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: kurrentsimtest.OpenClient(t, r.gateway.URL), Terms: credit.Terms{Limits: limits}, MaxRequests: groupRequests,
	})
	arrived := make(chan struct{})
	r.gateway.BeforeAppends(func() {
		if r.appends.Add(1) == 1 {
			close(arrived)
			<-r.release
		}
	})
	r.callers.Go(func() {
		if _, err := r.Reserve(t.Context(), requestFor(t, "c1", 0, "USD1.00")); err != nil {
			t.Error(err)
		}
	})
	<-arrived
	return r
}

// fill sends as many requests as are taken. The first ones are those given.
func (r *groupRig) fill(first ...func()) { r.send(groupRequests-1, first...) }

// send sends requests, and waits until all of them are queued. The first ones are those
// given; the others reserve orders from 100 on.
func (r *groupRig) send(count int, first ...func()) {
	r.t.Helper()
	queued := r.Waiting("c1")
	for n := range count {
		request := requestFor(r.t, "c1", 100+n, "USD1.00")
		send := func() {
			if _, err := r.Reserve(r.t.Context(), request); err != nil {
				r.t.Error(err)
			}
		}
		if n < len(first) {
			send = first[n]
		}
		r.callers.Go(send)
	}
	require.Eventually(r.t, func() bool { return r.Waiting("c1") == queued+count }, kurrentsimtest.WaitLimit, time.Millisecond)
}

// finish lets the append go that is held back, and waits for every caller.
func (r *groupRig) finish() {
	close(r.release)
	r.callers.Wait()
}

func (r *groupRig) events() []kurrent.Event {
	r.t.Helper()
	var events []kurrent.Event
	client := kurrentsimtest.OpenClient(r.t, r.server.URL())
	require.NoError(r.t, client.ReadStream(r.t.Context(), "credit-c1", 0, 0, func(e kurrent.Event) error {
		events = append(events, e)
		return nil
	}))
	return events
}

func TestCreditAccounts_Group(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t, kurrentsim.Options{})
	var mu sync.Mutex
	got := map[string]string{}
	note := func(name string, decision credit.Decision, err error) {
		mu.Lock()
		defer mu.Unlock()
		got[name] = fmt.Sprint(decision.Verdict, err)
	}
	source := order.Source{EventID: "cause", Trace: correlation.Trace{CorrelationID: "checkout-9"}}
	own := requestFor(t, "c1", 1, "USD10.00")
	own.Source = source
	twice := requestFor(t, "c1", 2, "USD10.00")
	invalid := requestFor(t, "c1", 4, "USD0.00")
	unencodable := credit.Cause{Reason: "\xff"}
	r.fill(
		func() { d, err := r.Reserve(t.Context(), own); note("own", d, err) },
		func() { d, err := r.Reserve(t.Context(), twice); note("first", d, err) },
		func() { d, err := r.Reserve(t.Context(), twice); note("second", d, err) },
		func() {
			d, err := r.Reserve(t.Context(), requestFor(t, "c1", 3, "USD1000.02"))
			note("too much", d, err)
		},
		func() { d, err := r.Reserve(t.Context(), invalid); note("invalid", d, err) },
		func() {
			d, err := r.Approve(t.Context(), requestFor(t, "c1", 5, "USD1.00"), "op-1")
			note("not held", d, err)
		},
		func() {
			d, err := r.Release(t.Context(), requestFor(t, "c1", 0, "USD1.00"), credit.Cause{Reason: "paid"})
			note("release", d, err)
		},
		func() {
			_, err := r.Release(t.Context(), requestFor(t, "c1", 6, "USD1.00"), unencodable)
			note("unencodable", credit.Decision{}, errors.Unwrap(err))
		},
		func() {
			_, decided, err := r.Decision(t.Context(), "c1", "order-0")
			note(fmt.Sprint(decided), credit.Decision{}, err)
		},
		func() {
			opened, err := r.Open(t.Context(), "c1", order.Money{Minor: 1000_00, Currency: "USD"})
			note(fmt.Sprint("opened ", opened), credit.Decision{}, err)
		},
		func() {
			changed, err := r.ChangeLimit(t.Context(), "c1", order.Money{Minor: 1000_01, Currency: "USD"})
			note(fmt.Sprint("changed ", changed), credit.Decision{}, err)
		},
	)
	r.finish()
	require.Contains(t, got["unencodable"], "UTF-8")
	delete(got, "unencodable")
	require.Equal(t, map[string]string{
		"own": "reserved<nil>", "first": "reserved<nil>", "second": "reserved<nil>", "too much": "refused<nil>",
		"invalid": credit.ErrInvalidAmount.Error(), "not held": credit.ErrNotHeld.Error(), "release": "released<nil>",
		"true": "<nil>", "opened false": "<nil>", "changed true": "<nil>",
	}, got)
	require.LessOrEqual(t, r.appends.Load(), int64(3), "the first, the group up to the request that failed, and the rest")
	requireWithinLimit(t, kurrentsimtest.OpenClient(t, r.server.URL()), "c1", 1+3+4)
	for _, e := range r.events() {
		if strings.Contains(string(e.Data), `"order-1"`) {
			require.JSONEq(t, `{"$correlationId":"checkout-9","$causationId":"cause"}`, string(e.Metadata))
		} else {
			require.NotContains(t, string(e.Metadata), "checkout-9")
		}
	}
}

func TestCreditAccounts_GroupLostResponse(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ lost, appends int }{
		"of its append":                 {1, 3},
		"of its append, and once again": {2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newGroupRig(t, kurrentsim.Options{})
			r.fill(r.retried(100)...)
			lost := 0
			r.gateway.AfterAppends(func(context.Context) error {
				if r.appends.Load() > 1 && lost < test.lost {
					lost++
					return status.Error(codes.Unavailable, "gone")
				}
				return nil
			})
			r.finish()
			require.LessOrEqual(t, r.appends.Load(), int64(test.appends))
			requireWithinLimit(t, kurrentsimtest.OpenClient(t, r.server.URL()), "c1", groupRequests)
		})
	}
}

// retried returns as many requests as there is room for, to reserve orders from first on.
// Their callers retry during an outage.
func (r *groupRig) retried(first int) (sends []func()) {
	for n := range groupRequests - 1 {
		request := requestFor(r.t, "c1", first+n, "USD1.00")
		sends = append(sends, func() {
			decision, err := retryUntilDone(r.t.Context(), func() (credit.Decision, error) { return r.Reserve(r.t.Context(), request) })
			if err != nil || decision.Verdict != credit.VerdictReserved {
				r.t.Error(decision, err)
			}
		})
	}
	return sends
}

func TestCreditAccounts_GroupConflict(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t, kurrentsim.Options{})
	r.fill()
	other := newAccounts(t, kurrentsimtest.OpenClient(t, r.server.URL()))
	_, err := other.Reserve(t.Context(), requestFor(t, "c1", 100, "USD1.00")) // one that is also in the group
	require.NoError(t, err)
	r.finish()
	requireWithinLimit(t, kurrentsimtest.OpenClient(t, r.server.URL()), "c1", groupRequests)
}

func TestCreditAccounts_CallersLeave(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t, kurrentsim.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	r.fill(func() {
		_, err := r.Reserve(ctx, requestFor(t, "c1", 1, "USD1.00"))
		left <- err
	})
	cancel()
	err := <-left
	require.ErrorIs(t, err, credit.ErrBusy)
	require.ErrorIs(t, err, context.Canceled)

	// The next group's append is held back too, until one of its callers has left.
	ctx, cancel = context.WithCancel(t.Context())
	second, leave := make(chan struct{}), make(chan struct{})
	r.gateway.BeforeAppends(func() {
		close(second)
		<-leave
	})
	r.callers.Go(func() {
		_, err := r.Reserve(ctx, requestFor(t, "c1", 2, "USD1.00"))
		left <- err
	})
	close(r.release)
	<-second
	cancel()
	err = <-left
	if !errors.Is(err, credit.ErrBusy) { // it came too late for the group
		require.ErrorIs(t, err, kurrent.ErrUnavailable)
	}
	require.ErrorIs(t, err, context.Canceled)
	r.gateway.BeforeAppends(func() {})
	close(leave)
	r.callers.Wait()
	for _, e := range r.events() {
		require.NotContains(t, string(e.Data), `"order-1"`, "its caller had left before it was decided")
	}
	decision, err := r.Reserve(t.Context(), requestFor(t, "c1", 100+groupRequests-2, "USD1.00"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
}

// A stalled account fails further requests at once. Other accounts are not affected.
func TestCreditAccounts_TooManyRequests(t *testing.T) {
	t.Parallel()
	r := newGroupRig(t, kurrentsim.Options{})
	r.fill()
	_, err := r.Reserve(t.Context(), requestFor(t, "c1", 1, "USD1.00"))
	require.ErrorIs(t, err, credit.ErrBusy)
	_, err = r.Reserve(t.Context(), requestFor(t, "c2", 2, "USD1.00"))
	require.NoError(t, err)
	r.finish()
	_, err = r.Reserve(t.Context(), requestFor(t, "c1", 1, "USD1.00"))
	require.NoError(t, err)
}

// The server's limit is below what a group may have. So each request is appended alone,
// and only the one that is larger than that fails. It is the group's last: a server that
// closes the call while the client still sends is not heard.
func TestCreditAccounts_GroupTooLarge(t *testing.T) {
	t.Parallel()
	const limit = 10_000
	r := newGroupRig(t, kurrentsim.Options{MaxAppendSize: limit})
	large := requestFor(t, "c1", 1, "USD1.00")
	large.Source.EventID = strings.Repeat("x", limit)
	r.send(groupRequests - 2)
	r.send(1, func() {
		if _, err := r.Reserve(t.Context(), large); !errors.Is(err, kurrent.ErrTooLarge) {
			t.Error(err)
		}
	})
	r.finish()
	requireWithinLimit(t, kurrentsimtest.OpenClient(t, r.server.URL()), "c1", groupRequests-1)
}

// A server that was restored from a backup lacks events that are in the cache.
func TestReserve_ShorterStreamThanCached(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	a := newAccounts(t, client)
	for n := range 5 {
		_, err := a.Reserve(t.Context(), requestFor(t, "c1", n, "USD60.00"))
		require.NoError(t, err)
	}
	server.Stop()
	server.Start() // what it held was in memory
	_, err := retryUntilDone(t.Context(), func() (credit.Decision, error) {
		return newAccounts(t, client).Reserve(t.Context(), requestFor(t, "c1", 0, "USD60.00"))
	})
	require.NoError(t, err)
	decision, err := a.Reserve(t.Context(), requestFor(t, "c1", 9, "USD940.00")) // by the cache it would be too much
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
	require.Len(t, accountHistory(t, client, "c1"), 3)
}

func TestReserve_CacheBoundedByOrders(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	a := streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: kurrentsimtest.OpenClient(t, gw.URL), Terms: credit.Terms{Limits: limits}, CacheOrders: 5,
	})
	reserve := func(customer string, from, to, wantRead int) {
		before := gw.EventsRead()
		for n := from; n < to; n++ {
			_, err := a.Reserve(t.Context(), requestFor(t, customer, n, "USD1.00"))
			require.NoError(t, err)
		}
		require.Equal(t, wantRead, gw.EventsRead()-before)
	}
	reserve("c1", 0, 3, 0)
	reserve("c2", 0, 2, 0)
	reserve("c1", 3, 4, 0) // six orders in all: c2 is dropped
	reserve("c1", 4, 9, 0) // the newest account is kept whatever its size
	reserve("c2", 2, 3, 3) // its opening and its two orders
	reserve("c1", 9, 10, 10)
}
