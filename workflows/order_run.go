package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// orderRun is one run of an order's workflow: the order's state, the messages it
// accepted, and what may have to be compensated.
type orderRun struct {
	in    Input
	state order.State
	do    *activities.Activities // always nil: only its method names are used
	stepper

	// stepsCtx is the context of every step that a cancellation stops. Compensation and
	// closing run on disconnected contexts.
	stepsCtx    workflow.Context
	cancelSteps workflow.CancelFunc

	phase     phase
	cancel    *CancelOrder // the first one accepted
	canceled  bool         // natively, in an earlier run
	shipBy    shipBy
	parcels   parcels                  // the accepted shipments, possibly from before there was anything to ship
	tooLate   *RecordShipment          // a shipment that was signaled when the order could no longer be shipped
	dropped   map[order.Shipment]error // why parcels that were taken did not fit after all
	approval  *ApproveCredit           // an operator's decision about a held order, like decline
	decline   *DeclineCredit
	holdUntil time.Time
	holdEnd   holdEnd // how the hold ended
	refusing  bool    // the account refused the order, and its row is being closed

	decided         order.Money // the amount the account decided about
	compensations   []compensation
	outcome         error                  // the error the workflow returns after compensation
	closedAs        activities.Fulfillment // the row as compensation closed it
	closedBefore    bool                   // an earlier run of the workflow had closed the row
	mismatch        error                  // set if the row belongs to another order
	continued       bool                   // this is not the first run
	finishing       bool                   // the order has ended
	sends           sends
	drains          []func(workflow.Context) // process the signals that are still unread
	handingOver     bool                     // the next run acts on accepted messages: updates stop waiting
	signaled        map[string]bool          // the messages accepted as signals, whose senders got no response
	publishedStatus order.Status             // the status in the search attribute
	widerCarriers   int                      // signals whose carrier an earlier rule rejected
	reviewed        bool                     // a review has reserved the credit, and the order has not looked yet
	reviews         int                      // signals of reviews so far
}

// phase decides which messages an order accepts. The status cannot: an order that is
// already shipping still has the status fulfilling.
type phase string

const (
	phaseCredit     phase = "credit"     // until the fulfillment exists
	phaseOnHold     phase = "on-hold"    // waiting for an operator
	phaseFulfilling phase = "fulfilling" // waiting for the shipment
	phaseClosing    phase = "closing"    // about to be shipped or rejected
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
		phase:           phaseCredit,
		sends:           newSends(),
		signaled:        map[string]bool{},
		publishedStatus: order.StatusPending,
		stepper:         stepper{orderID: in.OrderID, source: in.Source, rules: in.Rules},
	}
	o.stepsCtx, o.cancelSteps = workflow.WithCancel(ctx)
	o.show = o.publishStatus
	o.addCompensation("release credit", StepReleaseCredit, o.undoCredit)
	o.addCompensation("close the fulfillment", StepCloseFulfillment, o.undoFulfillment)
	if o.continued = continued != nil; o.continued {
		o.resume(ctx, continued)
	}
	o.showProgress(ctx)
	if err := o.registerMessages(ctx); err != nil {
		return nil, err
	}
	o.acceptReviews(ctx)
	o.watchHistory(ctx)
	if o.continued {
		o.resumeEmails(ctx, continued.Emails)
		o.watchShipBy(ctx, continued.State.ShipBy)
		o.findMissedCancellation()
	}
	return o, nil
}

// canceledNatively reports whether the workflow was canceled by Temporal's own request,
// in this run or an earlier one.
func (o *orderRun) canceledNatively() bool {
	return o.canceled || o.stepsCtx.Err() != nil && o.cancel == nil
}

// disconnected returns a context that survives both a native cancellation and
// cancel-order.
func disconnected(ctx workflow.Context) workflow.Context {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	return ctx
}
