package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// Continued is the type of the error an update returns if it was accepted and still
// waited for its effect when its order continued as new. The message is not lost: the
// next run acts on it. Query the status for the result.
const Continued = "CONTINUED"

// Continuation is the state that a run passes to the next one when it continues as new:
// the messages it accepted, its phase, and what it has not finished. It holds no steps,
// because each step can be repeated.
type Continuation struct {
	Phase     phase           `json:"phase"`
	State     order.State     `json:"state"`
	Cancel    *CancelOrder    `json:"cancel,omitempty"`
	Canceled  bool            `json:"canceled,omitempty"` // natively
	Shipment  *RecordShipment `json:"shipment,omitempty"` // the first parcel: all that an earlier release knows
	Parcels   []order.Parcel  `json:"parcels,omitempty"`
	Recorded  int             `json:"recorded,omitempty"`   // how many of Parcels are in the row
	Rest      bool            `json:"rest,omitempty"`       // the last of Parcels was sent without lines
	Lines     []int           `json:"quantities,omitempty"` // the quantities of the order's lines
	TooLate   *RecordShipment `json:"tooLate,omitempty"`
	Approval  *ApproveCredit  `json:"approval,omitempty"`
	Decline   *DeclineCredit  `json:"refusal,omitempty"`
	HoldUntil time.Time       `json:"holdUntil,omitzero"`
	HoldEnd   holdEnd         `json:"holdEnd,omitempty"`
	Refusing  bool            `json:"refusing,omitempty"`
	Reviewed  bool            `json:"reviewed,omitempty"`
	Decided   order.Money     `json:"decided"`             // the amount the account decided about
	Failure   *failure        `json:"failure,omitempty"`   // the error the workflow fails with after compensation
	Signaled  []string        `json:"signalled,omitempty"` // the messages accepted as signals
	Stuck     []stuckStep     `json:"stuck,omitempty"`
	Published string          `json:"published,omitempty"` // the step in the search attribute
	Status    order.Status    `json:"status"`              // in the search attribute
	Emails    openEmails      `json:"emails"`
}

// openEmails are the emails of a run that continues as new.
type openEmails struct {
	Newest    email.Kind   `json:"newest,omitempty"`
	Begun     []email.Kind `json:"begun,omitempty"`
	Stopped   []email.Kind `json:"stopped,omitempty"`   // to be followed again
	HandOvers []EmailInput `json:"handOvers,omitempty"` // whose workflows could not be started
}

// failure is the serialized form of the error a workflow ends with.
type failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// watchHistory makes the run continue as new when the server suggests it. A history that
// reached the server's limits would be terminated, with everything that the order holds.
func (o *orderRun) watchHistory(ctx workflow.Context) {
	workflow.GoNamed(disconnected(ctx), "history limit", func(ctx workflow.Context) {
		// A disconnected context is never canceled, so the wait cannot fail.
		change, least := versionContinueAsNew, 0
		for n := 2; !o.continuing; n++ {
			_ = workflow.Await(ctx, func() bool {
				info := workflow.GetInfo(ctx)
				return !o.finishing && info.GetContinueAsNewSuggested() && info.GetCurrentHistoryLength() >= least
			})
			o.continuing = o.follows(ctx, change)
			// A run that was recorded beyond the suggestion before this rule existed gets
			// another chance a little later.
			change, least = fmt.Sprintf("%s-%d", versionContinueAsNew, n), workflow.GetInfo(ctx).GetCurrentHistoryLength()+500
		}
	})
}

// continueAsNew ends the run and passes its state to the next one. Updates that wait for
// their effect fail with Continued, and signals that are still unread are processed
// first.
func (o *orderRun) continueAsNew(ctx workflow.Context) error {
	ctx = disconnected(ctx)
	o.handingOver = true
	o.stopEmails(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	o.drainSignals(ctx)
	in := o.in
	in.Continuation = o.continuation()
	return workflow.NewContinueAsNewError(ctx, OrderFulfillmentType, in)
}

func (o *orderRun) continuation() *Continuation {
	c := &Continuation{
		Phase: o.phase, State: o.state, Cancel: o.cancel, Canceled: o.canceledNatively(),
		Parcels: o.parcels.taken, Recorded: o.parcels.recorded, Rest: o.parcels.rest, Lines: o.parcels.quantities,
		TooLate: o.tooLate, Approval: o.approval, Decline: o.decline, HoldUntil: o.holdUntil, HoldEnd: o.holdEnd,
		Refusing: o.refusing, Reviewed: o.reviewed, Decided: o.decided,
		Signaled: sortedKeys(o.signaled), Stuck: o.stuck, Published: o.publishedStep, Status: o.publishedStatus,
		Emails: openEmails{
			Newest: o.sends.newest, Begun: sortedKeys(o.sends.begun), Stopped: o.sends.stopped,
			HandOvers: o.handOvers(),
		},
	}
	if o.parcels.any() {
		c.Shipment = shipmentOf(o.parcels.taken[0])
	}
	var appErr *temporal.ApplicationError
	if errors.As(o.outcome, &appErr) {
		c.Failure = &failure{Type: appErr.Type(), Message: appErr.Message()}
	}
	return c
}

func (o *orderRun) handOvers() (list []EmailInput) {
	for _, id := range sortedKeys(o.sends.handOvers) {
		list = append(list, o.sends.handOvers[id])
	}
	return list
}

// sortedKeys returns the keys of m in ascending order, so map order cannot affect the
// workflow.
//
//workflowcheck:ignore
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// resume restores the state of the previous run.
func (o *orderRun) resume(ctx workflow.Context, c *Continuation) {
	o.phase, o.state, o.decided = c.Phase, c.State, c.Decided
	o.cancel, o.canceled, o.tooLate = c.Cancel, c.Canceled, c.TooLate
	o.parcels = parcels{quantities: c.Lines, taken: c.Parcels, recorded: c.Recorded, rest: c.Rest}
	if len(c.Parcels) == 0 && c.Shipment != nil { // by an earlier release
		o.parcels.taken = []order.Parcel{c.Shipment.Parcel()}
	}
	o.shipBy.late = c.State.Late
	o.approval, o.decline, o.holdUntil = c.Approval, c.Decline, c.HoldUntil
	o.holdEnd, o.refusing, o.reviewed = c.HoldEnd, c.Refusing, c.Reviewed
	o.stuck, o.publishedStep, o.publishedStatus = c.Stuck, c.Published, c.Status
	for _, name := range c.Signaled {
		o.signaled[name] = true
	}
	switch {
	case c.Failure != nil:
		o.outcome = temporal.NewNonRetryableApplicationError(c.Failure.Message, c.Failure.Type, nil)
	case c.Canceled:
		o.outcome = temporal.NewCanceledError()
	}
	if o.cancel != nil || o.canceled {
		o.cancelSteps()
	}
	for _, kind := range c.Emails.Begun {
		o.sends.begun[kind] = true
	}
	o.sends.newest = c.Emails.Newest
}

// resumeEmails follows the emails that the previous run had begun. If the order is being
// undone, they are handed over once its row is closed, as the previous run would have
// done.
func (o *orderRun) resumeEmails(ctx workflow.Context, emails openEmails) {
	for _, in := range emails.HandOvers {
		o.sends.handOvers[in.workflowID()] = in
	}
	if o.phase == phaseUndoing {
		o.sends.stopped = emails.Stopped
		return
	}
	workflow.GoNamed(disconnected(ctx), "hand over again", o.handOverLeft) // in the background
	for _, kind := range emails.Stopped {
		o.send(ctx, kind)
	}
	o.sends.newest = emails.Newest
}

// findMissedCancellation looks on the order's stream for a cancellation that could not be
// signaled because the previous run accepted no more signals. It runs in the background.
func (o *orderRun) findMissedCancellation() {
	if o.cancel != nil || o.checkCancel(CancelOrder{}) != nil {
		return
	}
	workflow.GoNamed(o.stepsCtx, "missed cancellation", func(ctx workflow.Context) {
		var found activities.RequestedCancellation
		err := o.retryUntilDecided(ctx, StepReadCancellation, func(ctx workflow.Context) error {
			return workflow.ExecuteActivity(summarized(ctx, "look for a missed cancellation"), o.do.FindCancellation,
				activities.FindCancellationInput{OrderID: o.in.OrderID, Placed: o.in.Source.Revision}).Get(ctx, &found)
		})
		if errors.Is(err, errContinueAsNew) {
			o.continuing = !o.finishing // the next run continues the search
		}
		message := CancelOrder{Reason: found.Reason}
		if err == nil && found.Requested && o.checkCancel(message) == nil {
			o.takeCancel(message)
		}
	})
}
