package workflows

import (
	"time"

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
	stepper

	// steps is the context of everything that a cancellation stops. Compensation and closing run on contexts that it does
	// not reach.
	steps       workflow.Context
	cancelSteps workflow.CancelFunc

	phase     phase
	cancel    *CancelOrder    // the first one taken
	canceled  bool            // natively, in an earlier run
	shipment  *RecordShipment // the first one taken, maybe before there is anything to ship
	tooLate   *RecordShipment // a shipment that was signalled when the order could not be shipped any more
	approval  *ApproveCredit  // an operator's decisions about a held order
	refusal   *DeclineCredit
	holdUntil time.Time
	holdEnd   holdEnd // how the hold ended
	refusing  bool    // the account has refused, and the row is being closed

	decided       order.Money // what the account decided about
	compensations []compensation
	outcome       error                  // what the workflow ends with after compensation
	closedAs      activities.Fulfillment // the row compensation left behind
	mismatch      error                  // the row is another order's, nil when it is ours
	continued     bool                   // an earlier run went before this one
	finishing     bool                   // the order has come to its end
	mails         mails
	drains        []func(workflow.Context) // take the signals that are still unread
	handingOver   bool                     // the next run acts on what was taken: updates wait no longer
	signalled     map[string]bool          // the messages that were taken as signals, so that nobody got an answer
	published     order.Status             // the status in the search attribute
	widerCarriers int                      // signals whose carrier earlier rules refused
}

// phase says which messages make sense. Statuses do not: an order is already shipping while it is still fulfilling.
type phase string

const (
	phaseCredit     phase = "credit"     // until the fulfilment exists
	phaseOnHold     phase = "on-hold"    // waiting for an operator
	phaseFulfilling phase = "fulfilling" // waiting for the shipment
	phaseClosing    phase = "closing"    // on its way to a final status: shipped or rejected
	phaseUndoing    phase = "undoing"    // compensation has begun
)

func newOrderRun(ctx workflow.Context, in Input) (*orderRun, error) {
	continued := in.Continuation
	in.Continuation = nil
	o := &orderRun{
		in: in,
		state: order.State{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Status: order.StatusPending, Total: in.Total,
			Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: in.PlacedAt,
		},
		phase:     phaseCredit,
		mails:     newMails(),
		signalled: map[string]bool{},
		published: order.StatusPending,
	}
	o.steps, o.cancelSteps = workflow.WithCancel(ctx)
	o.show = o.rest
	o.onUndo("release credit", StepReleaseCredit, o.undoCredit)
	o.onUndo("close the fulfilment", StepCloseFulfillment, o.undoFulfillment)
	if o.continued = continued != nil; o.continued {
		o.resume(ctx, continued)
	}
	o.showProgress(ctx)
	if err := o.takeMessages(ctx); err != nil {
		return nil, err
	}
	o.watchHistory(ctx)
	if o.continued {
		o.resumeMails(ctx, continued.Emails)
		o.findMissedCancellation()
	}
	return o, nil
}

// canceledNatively reports whether the workflow was canceled by Temporal's own request, in this run or an earlier one.
func (o *orderRun) canceledNatively() bool {
	return o.canceled || o.steps.Err() != nil && o.cancel == nil
}

// disconnected returns a context that survives both a native cancellation and cancel-order.
func disconnected(ctx workflow.Context) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return ctx
}
