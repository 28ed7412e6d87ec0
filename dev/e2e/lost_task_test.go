package e2e_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// lostTaskTimeout is after how long the server executes a lost workflow task again.
const lostTaskTimeout = 5 * time.Second

// A workflow task that is lost after its local attempts have written is executed again,
// together with the messages that have arrived meanwhile. What the stores hold from the
// first time must not stand in the way of what these decide.
func TestLostWorkflowTask(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spec  orderSpec
		until string // the step whose workflow task is lost
		acts  []string
		then  []string // what arrives before it is executed again
		want  order.Status
	}{
		{"an order that was begun is cancelled", orderSpec{}, "StartFulfillment done locally", nil, []string{actionCancel}, order.StatusCancelled},
		{"an order that was begun is cancelled natively", orderSpec{}, "StartFulfillment done locally", nil, []string{actionNative}, order.StatusCancelled},
		{"an order that was begun is shipped and cancelled", orderSpec{}, "StartFulfillment done locally", nil, []string{actionShip, actionCancel}, order.StatusShipped},
		{"an order that was begun is cancelled and shipped", orderSpec{}, "StartFulfillment done locally", nil, []string{actionCancel, actionShip}, order.StatusShipped},
		{"an order that was begun is shipped and cancelled natively", orderSpec{}, "StartFulfillment done locally", nil, []string{actionShip, actionNative}, order.StatusShipped},
		{"a shipment comes before a cancellation", orderSpec{}, "CloseFulfillment done locally", []string{actionShip}, []string{actionCancel}, order.StatusShipped},
		{"a cancellation comes before a shipment", orderSpec{}, "ReleaseCredit done locally", []string{actionCancel}, []string{actionShip}, order.StatusCancelled},
		{"a refusal comes before a cancellation", orderSpec{price: overTheLimit}, "CloseFulfillment done locally", []string{actionDecline}, []string{actionCancel}, order.StatusRejected},
		{"an approval comes before a refusal", orderSpec{price: overTheLimit}, actionApprove, []string{actionApprove}, []string{actionDecline}, order.StatusRejected},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := steppedWorkerOn(newStackClient(t), attemptsSucceed)
			l.taskTimeout = lostTaskTimeout
			o := l.start().begin(test.spec)
			w := scenarioOf(test.name, test.spec, test.acts...)
			o.runUntil(w, func() bool { return o.did(test.until) })
			o.loseTask()
			for _, then := range test.then {
				actionFor(then)(o)
			}
			o.end()
			require.Equal(t, test.want, o.requireDoneOnce())
			record(t, slug("lost task "+test.name), o.history(o.id))
		})
	}
}

// loseTask runs the workflow task to its end, and loses its result.
func (o *orderUnderTest) loseTask() {
	o.t.Helper()
	for {
		name := o.advance(workflowTasks, "workflow task", len(o.held) == 0)
		if o.held[workflowTasks].attempt == "" {
			require.Equal(o.t, "workflow task done", name)
			close(o.held[workflowTasks].drop)
			delete(o.held, workflowTasks)
			return
		}
	}
}
