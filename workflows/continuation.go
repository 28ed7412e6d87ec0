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

// Continued is the type of the error of an update that was taken and still waited for its effect when its order continued
// as new. The message has not been lost: the next run acts on it. Ask the status query what became of it.
const Continued = "CONTINUED"

// Continuation is what a run whose history has grown hands to the next one: the messages it took, where it was, and what
// it has not finished. Steps are not in it, because each can be repeated.
type Continuation struct {
	Phase     phase           `json:"phase"`
	State     order.State     `json:"state"`
	Cancel    *CancelOrder    `json:"cancel,omitempty"`
	Canceled  bool            `json:"canceled,omitempty"` // natively
	Shipment  *RecordShipment `json:"shipment,omitempty"`
	TooLate   *RecordShipment `json:"tooLate,omitempty"`
	Approval  *ApproveCredit  `json:"approval,omitempty"`
	Refusal   *DeclineCredit  `json:"refusal,omitempty"`
	HoldUntil time.Time       `json:"holdUntil,omitzero"`
	HoldEnd   holdEnd         `json:"holdEnd,omitempty"`
	Refusing  bool            `json:"refusing,omitempty"`
	Decided   order.Money     `json:"decided"`             // what the account decided about
	Failure   *failure        `json:"failure,omitempty"`   // what the workflow fails with after compensation
	Signalled []string        `json:"signalled,omitempty"` // the messages that were taken as signals
	Stuck     []obstacle      `json:"stuck,omitempty"`
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

// failure is the error a workflow ends with, as it is carried over.
type failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// watchHistory lets the run continue as new when the server suggests it: a history that reaches the server's limits would
// be terminated, with everything that the order holds.
func (o *orderRun) watchHistory(ctx workflow.Context) {
	workflow.GoNamed(disconnected(ctx), "history limit", func(ctx workflow.Context) {
		// A disconnected context is never canceled, so the wait cannot fail.
		change, least := versionContinueAsNew, 0
		for n := 2; !o.continuing; n++ {
			_ = workflow.Await(ctx, func() bool {
				info := workflow.GetInfo(ctx)
				return !o.finishing && info.GetContinueAsNewSuggested() && info.GetCurrentHistoryLength() >= least
			})
			o.continuing = workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == 1
			// A run that was recorded beyond the suggestion before there was this rule gets another chance a little later.
			change, least = fmt.Sprintf("%s-%d", versionContinueAsNew, n), workflow.GetInfo(ctx).GetCurrentHistoryLength()+500
		}
	})
}

// continueAsNew ends the run with everything the next one has to know. Updates that wait for their effect are answered
// Continued, and signals that are still unread are taken first.
func (o *orderRun) continueAsNew(ctx workflow.Context) error {
	ctx = disconnected(ctx)
	o.handingOver = true
	o.stopMails(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	o.drainSignals(ctx)
	in := o.in
	in.Continuation = o.continuation()
	return workflow.NewContinueAsNewError(ctx, OrderFulfillmentType, in)
}

func (o *orderRun) continuation() *Continuation {
	c := &Continuation{
		Phase: o.phase, State: o.state, Cancel: o.cancel, Canceled: o.canceledNatively(), Shipment: o.shipment,
		TooLate: o.tooLate, Approval: o.approval, Refusal: o.refusal, HoldUntil: o.holdUntil, HoldEnd: o.holdEnd,
		Refusing: o.refusing, Decided: o.decided,
		Signalled: sortedKeys(o.signalled), Stuck: o.stuck, Published: o.stepper.published, Status: o.published,
		Emails: openEmails{
			Newest: o.mails.newest, Begun: sortedKeys(o.mails.begun), Stopped: o.mails.stopped,
			HandOvers: o.handOvers(),
		},
	}
	var broken *temporal.ApplicationError
	if errors.As(o.outcome, &broken) {
		c.Failure = &failure{Type: broken.Type(), Message: broken.Message()}
	}
	return c
}

func (o *orderRun) handOvers() (list []EmailInput) {
	for _, id := range sortedKeys(o.mails.handOvers) {
		list = append(list, o.mails.handOvers[id])
	}
	return list
}

// sortedKeys returns a map's keys in one order, whatever order the map has them in.
//
//workflowcheck:ignore
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// resume takes over where the run before left off.
func (o *orderRun) resume(ctx workflow.Context, c *Continuation) {
	o.phase, o.state, o.decided = c.Phase, c.State, c.Decided
	o.cancel, o.canceled, o.shipment, o.tooLate = c.Cancel, c.Canceled, c.Shipment, c.TooLate
	o.approval, o.refusal, o.holdUntil = c.Approval, c.Refusal, c.HoldUntil
	o.holdEnd, o.refusing = c.HoldEnd, c.Refusing
	o.stuck, o.stepper.published, o.published = c.Stuck, c.Published, c.Status
	for _, name := range c.Signalled {
		o.signalled[name] = true
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
		o.mails.begun[kind] = true
	}
	o.mails.newest = c.Emails.Newest
}

// resumeMails follows the emails that the run before had begun. Those of an order that is being undone are handed over
// once its row is closed, as they would have been.
func (o *orderRun) resumeMails(ctx workflow.Context, emails openEmails) {
	for _, in := range emails.HandOvers {
		o.mails.handOvers[in.workflowID()] = in
	}
	if o.phase == phaseUndoing {
		o.mails.stopped = emails.Stopped
		return
	}
	workflow.GoNamed(disconnected(ctx), "hand over again", o.handOverLeft) // nothing waits for it
	for _, kind := range emails.Stopped {
		o.send(ctx, kind)
	}
	o.mails.newest = emails.Newest
}

// findMissedCancellation looks on the order's stream for a cancellation that could not be signaled, because the run
// before took no more signals. Nothing waits for it.
func (o *orderRun) findMissedCancellation() {
	if o.cancel != nil || o.mayCancel(CancelOrder{}) != nil {
		return
	}
	workflow.GoNamed(o.steps, "missed cancellation", func(ctx workflow.Context) {
		var found activities.RequestedCancellation
		err := o.untilDecided(ctx, StepReadCancellation, func(ctx workflow.Context) error {
			return workflow.ExecuteActivity(summarized(ctx, "look for a missed cancellation"), o.do.FindCancellation,
				activities.FindCancellationInput{OrderID: o.in.OrderID, Placed: o.in.Source.Revision}).Get(ctx, &found)
		})
		if errors.Is(err, errContinueAsNew) {
			o.continuing = !o.finishing // the next run goes on looking
		}
		message := CancelOrder{Reason: found.Reason}
		if err == nil && found.Requested && o.mayCancel(message) == nil {
			o.takeCancel(message)
		}
	})
}
