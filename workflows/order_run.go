package workflows

import (
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// orderRun is one order on its way: its state, the messages it took, and what would have to be undone.
type orderRun struct {
	in    Input
	state order.State
	do    *activities.Activities // nil: it only names the methods

	// steps is the context of everything that a cancellation stops. Compensation and closing run on contexts that it does
	// not reach.
	steps       workflow.Context
	cancelSteps workflow.CancelFunc

	phase    phase
	cancel   *CancelOrder    // the first one taken
	shipment *RecordShipment // the first one taken, maybe before there is anything to ship
	verdict  *verdict        // an operator's decision about a held order
	tooLate  *RecordShipment // a shipment that was signalled when the order could not be shipped any more

	decided       order.Money // what the account decided about
	compensations []compensation
	closedAs      activities.Fulfillment // the row compensation left behind
	mismatch      error                  // the row is another order's, nil when it is ours
	obstacle      string                 // why compensation cannot proceed, empty when it can
	mails         mails
	drains        []func(workflow.Context) // take the signals that are still unread
	signalled     map[string]bool          // the messages that were taken as signals, so that nobody got an answer
	published     order.Status             // the status in the search attribute
}

// phase says which messages make sense. Statuses do not: an order is already shipping while it is still fulfilling.
type phase int

const (
	phaseCredit     phase = iota // until the fulfilment exists
	phaseOnHold                  // waiting for an operator
	phaseFulfilling              // waiting for the shipment
	phaseClosing                 // on its way to a final status: shipped or rejected
	phaseUndoing                 // compensation has begun
)

// verdict is what an operator decided about a held order.
type verdict struct {
	approved bool
	by       string
	heard    bool // it had its effect
}

func newOrderRun(ctx workflow.Context, in Input) (*orderRun, error) {
	o := &orderRun{
		in: in,
		state: order.State{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Status: order.StatusPending, Total: in.Total,
			Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: in.PlacedAt,
		},
		mails:     mails{open: map[email.Kind]bool{}, begun: map[email.Kind]bool{}},
		signalled: map[string]bool{},
		published: order.StatusPending,
	}
	o.steps, o.cancelSteps = workflow.WithCancel(ctx)
	o.touch(ctx)
	return o, o.takeMessages(ctx)
}

// afloat gives a context that neither a native cancellation nor cancel-order reaches.
func afloat(ctx workflow.Context) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return ctx
}
