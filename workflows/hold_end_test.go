package workflows_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// newHeldOrderWithoutWorker returns an order on hold whose worker is stopped. Messages
// sent now and the end of the hold share one workflow task. A machine on which the hold
// is over by then tries again with a longer one.
func newHeldOrderWithoutWorker(t *testing.T) *orderOnServer {
	t.Helper()
	for hold := 4 * time.Second; ; hold *= 2 {
		o := newOrderOnServer(t)
		o.stores.holdFor = hold
		o.startWorker()
		o.start()
		var state order.State
		o.eventually("its credit is decided", func() (ok bool) {
			state, ok = o.query()
			return ok && state.Status != order.StatusPending
		})
		o.stopWorker()
		if state.Status == order.StatusOnHold && time.Until(state.HoldUntil) > hold/4 {
			return o
		}
	}
}

// startWorkerAfterHoldTimer waits until the hold's timer has fired, and starts the worker
// again.
func (o *orderOnServer) startWorkerAfterHoldTimer() {
	o.t.Helper()
	o.awaitEvent(enums.EVENT_TYPE_TIMER_FIRED)
	o.startWorker()
}

func TestHoldEnd(t *testing.T) {
	t.Parallel()
	approve := workflows.ApproveCredit{By: "op-1"}
	decline := workflows.DeclineCredit{By: "op-2"}
	cancel := workflows.CancelOrder{Reason: "customer-request"}
	for name, c := range map[string]struct {
		send   func(o *orderOnServer)
		status order.Status
		reason order.Reason
	}{
		"no message: the hold expires": {func(*orderOnServer) {}, order.StatusRejected, order.ReasonHoldExpired},
		"an approval in a run that is gone counts": {func(o *orderOnServer) {
			o.stores.mu.Lock()
			defer o.stores.mu.Unlock()
			o.stores.reserved = 1
		}, order.StatusFulfilling, ""},
		"an approval counts": {func(o *orderOnServer) {
			o.signal(workflows.ApproveCreditMessage, approve)
		}, order.StatusFulfilling, ""},
		"an approval by update counts": {func(o *orderOnServer) {
			o.update(workflows.ApproveCreditMessage, approve)
		}, order.StatusFulfilling, ""},
		"a refusal counts": {func(o *orderOnServer) {
			o.signal(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected, order.ReasonCreditDeclined},
		"a refusal by update counts": {func(o *orderOnServer) {
			o.update(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected, order.ReasonCreditDeclined},
		"a cancellation counts": {func(o *orderOnServer) {
			o.signal(workflows.CancelOrderMessage, cancel)
		}, order.StatusCancelled, order.ReasonCancelled},
		"a cancellation by update counts": {func(o *orderOnServer) {
			o.update(workflows.CancelOrderMessage, cancel)
		}, order.StatusCancelled, order.ReasonCancelled},
		"a native cancellation counts": {func(o *orderOnServer) {
			require.NoError(o.t, o.client.CancelWorkflow(o.t.Context(), o.id, ""))
		}, order.StatusCancelled, order.ReasonCancelled},
		"a review counts": {func(o *orderOnServer) {
			o.stores.review()
			o.signal(workflows.ReviewSignal, nil)
		}, order.StatusFulfilling, ""},
		"a review that reserved nothing does not count": {func(o *orderOnServer) {
			o.signal(workflows.ReviewSignal, nil)
		}, order.StatusRejected, order.ReasonHoldExpired},
		"a refusal after a review counts": {func(o *orderOnServer) {
			o.stores.review()
			o.signal(workflows.ReviewSignal, nil)
			o.signal(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected, order.ReasonCreditDeclined},
		"a cancellation beats a review": {func(o *orderOnServer) {
			o.stores.review()
			o.signal(workflows.ReviewSignal, nil)
			o.signal(workflows.CancelOrderMessage, cancel)
		}, order.StatusCancelled, order.ReasonCancelled},
		"an approval and a review agree": {func(o *orderOnServer) {
			o.stores.review()
			o.signal(workflows.ReviewSignal, nil)
			o.signal(workflows.ApproveCreditMessage, approve)
		}, order.StatusFulfilling, ""},
		"an approval counts after a review that reserved nothing": {func(o *orderOnServer) {
			o.signal(workflows.ReviewSignal, nil)
			o.signal(workflows.ApproveCreditMessage, approve)
		}, order.StatusFulfilling, ""},
		"a refusal beats an approval before it": {func(o *orderOnServer) {
			o.signal(workflows.ApproveCreditMessage, approve)
			o.signal(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected, order.ReasonCreditDeclined},
		"a refusal beats an approval after it": {func(o *orderOnServer) {
			o.signal(workflows.DeclineCreditMessage, decline)
			o.signal(workflows.ApproveCreditMessage, approve)
		}, order.StatusRejected, order.ReasonCreditDeclined},
		"a cancellation beats an approval": {func(o *orderOnServer) {
			o.signal(workflows.ApproveCreditMessage, approve)
			o.signal(workflows.CancelOrderMessage, cancel)
		}, order.StatusCancelled, order.ReasonCancelled},
		"a cancellation beats a refusal": {func(o *orderOnServer) {
			o.signal(workflows.DeclineCreditMessage, decline)
			o.signal(workflows.CancelOrderMessage, cancel)
		}, order.StatusCancelled, order.ReasonCancelled},
		"a native cancellation beats an approval": {func(o *orderOnServer) {
			o.signal(workflows.ApproveCreditMessage, approve)
			require.NoError(o.t, o.client.CancelWorkflow(o.t.Context(), o.id, ""))
		}, order.StatusCancelled, order.ReasonCancelled},
		"a signal and an update of the same task are weighed": {func(o *orderOnServer) {
			o.update(workflows.ApproveCreditMessage, approve)
			o.signal(workflows.DeclineCreditMessage, decline)
		}, order.StatusRejected, order.ReasonCreditDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newHeldOrderWithoutWorker(t)
			c.send(o)
			o.startWorkerAfterHoldTimer()
			if c.status == order.StatusFulfilling {
				o.awaitStatus(c.status)
				o.record("hold-end-"+slug(name), "")
				return
			}
			state, err := o.result()
			var canceled *temporal.CanceledError
			if err != nil {
				require.ErrorAs(t, err, &canceled)
				require.NoError(t, canceled.Details(&state))
			}
			require.Equal(t, c.status, state.Status)
			require.Equal(t, c.reason, state.Reason)
			o.record("hold-end-"+slug(name), "")
		})
	}
}

// slug returns a file name for a test's name.
func slug(name string) string { return strings.ReplaceAll(strings.ReplaceAll(name, ":", ""), " ", "-") }

func TestHold_CanceledWhileItIsReviewed(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	asked := 0
	e.decide = func(in activities.ReserveCreditInput) (activities.CreditDecision, error) {
		if asked++; asked == 1 {
			return held("INSUFFICIENT_CREDIT", 3600)(in)
		}
		return activities.CreditDecision{}, errors.New("connection refused")
	}
	e.after(time.Minute, func() { e.signal(workflows.ReviewSignal, nil) })
	e.after(2*time.Minute, func() {
		require.NotZero(t, e.query().HoldUntil, "the account may hold it again")
		e.signal(workflows.CancelOrderMessage, cancelOrder)
	})
	e.run()
	require.Equal(t, order.StatusCancelled, e.state().Status)
	require.Zero(t, e.state().HoldUntil)
}
