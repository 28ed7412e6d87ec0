package reconcile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// stage is a point at which an order's workflow is terminated: while an activity is held
// back, or while the order waits.
type stage struct {
	at     string // the closed gate
	price  string
	before func(h *reconcileRig, id string) // brings the order to this point
	emails []email.Kind
	row    order.Status // expected in the end
	credit credit.Verdict

	shipped bool // it ends as shipped if its last step completes before the repair
}

// stages are all points at which an order can be cut off.
func stages() map[string]stage {
	waits := func(h *reconcileRig, id string) { h.awaitEmails(id, email.KindConfirmation) }
	ships := func(h *reconcileRig, id string) {
		waits(h, id)
		h.signal(id, workflows.RecordShipmentMessage, shipment)
	}
	cancels := func(h *reconcileRig, id string) {
		waits(h, id)
		h.signal(id, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	}
	told := []email.Kind{email.KindConfirmation, email.KindCancellation}
	undone := stage{row: order.StatusCancelled, credit: credit.VerdictReleased}
	with := func(change func(*stage)) stage {
		s := undone
		change(&s)
		return s
	}
	return map[string]stage{
		"before its credit is reserved":     with(func(s *stage) { s.at = "before reserve" }),
		"after its credit was reserved":     with(func(s *stage) { s.at = "after reserve" }),
		"before its fulfillment is written": with(func(s *stage) { s.at = "before start" }),
		"after its fulfillment was written": with(func(s *stage) { s.at = "after start" }),
		"on hold": with(func(s *stage) {
			s.price = "USD10001.00"
			s.before = func(h *reconcileRig, id string) { h.awaitStatus(id, order.StatusOnHold) }
		}),
		"while it waits for its shipment": with(func(s *stage) { s.before, s.emails = waits, told }),
		"while its confirmation cannot be sent": with(func(s *stage) {
			s.before = func(h *reconcileRig, id string) { h.awaitStatus(id, order.StatusFulfilling) }
		}),
		"before it is closed as shipped": with(func(s *stage) { s.at, s.before, s.emails, s.shipped = "before close", ships, told, true }),
		"after it was closed as shipped": {
			at: "after close", before: ships, emails: []email.Kind{email.KindConfirmation, email.KindShipment},
			row: order.StatusShipped, credit: credit.VerdictReserved,
		},
		"before its cancellation is written": with(func(s *stage) { s.at, s.before, s.emails = "before close", cancels, told }),
		"after its cancellation was written": with(func(s *stage) { s.at, s.before, s.emails = "after close", cancels, told }),
		"before its credit is released":      with(func(s *stage) { s.at, s.before, s.emails = "before release", cancels, told }),
		"after its credit was released":      with(func(s *stage) { s.at, s.before, s.emails = "after release", cancels, told }),
	}
}

// terminatedAt terminates an order at a stage, repairs it, and checks the outcome. The
// held activity continues before the repair, or after it.
func terminatedAt(t *testing.T, s stage, lastStepIsLate bool) {
	h := newReconcileRig(t, kurrentsim.Options{}, 30*time.Minute)
	h.gate.at = s.at
	h.mailer.setThrottled(s.before == nil || s.emails == nil)
	h.Run()
	id := startertest.NewOrderID()
	price := "USD100.00"
	if s.price != "" {
		price = s.price
	}
	h.Append(id, orderFor(id, "customer-of-"+id, price))
	if s.before != nil {
		s.before(h, id)
	}
	if s.at != "" {
		<-h.gate.reached
	}
	h.terminate(id)
	if s.shipped && !lastStepIsLate {
		s = stages()["after it was closed as shipped"]
	}
	if !lastStepIsLate {
		close(h.gate.opened)
		h.stopWork() // waits for the activity
		h.startWork()
	}
	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", found)
	require.Equal(t, string(workflowTerminated), found.Differences[0].Workflow)
	if lastStepIsLate {
		close(h.gate.opened)
		h.stopWork()
		h.startWork()
	}
	h.mailer.setThrottled(false)
	h.awaitClosed(workflows.RepairID(id))
	h.awaitEmails(id, s.emails...)
	require.Equal(t, s.row, h.row(id))
	require.Equal(t, s.credit, h.credit(id))
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
}
