package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// handler takes one kind of message, as a signal and as an update.
type handler[M message] struct {
	name        string
	description string
	check       func(M) error              // may the order take it now; reads only
	accept      func(M)                    // takes it
	effect      func() (done bool)         // what an update waits for
	outcome     func() error               // what an update answers then, nil for the order's state
	unusable    func(M, error) (kept bool) // a signal that cannot be taken: may it be kept, nil when it never is
}

// takeMessages registers every message. It comes first in the workflow, so that no message finds nobody at home.
func (o *orderRun) takeMessages(ctx workflow.Context) error {
	query := workflow.QueryHandlerOptions{Description: "Where the order stands."}
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (*order.State, error) { return o.snapshot(), nil }, query),
		take(ctx, o, handler[CancelOrder]{
			name: CancelOrderMessage, description: "Undo the order, any time before its shipment: {reason}.",
			check: o.mayCancel, accept: o.takeCancel, effect: o.final, outcome: o.ended(order.StatusCancelled),
		}),
		take(ctx, o, handler[RecordShipment]{
			name: RecordShipmentMessage, description: "The order has left with a carrier: {carrier, trackingNumber}.",
			check: o.mayShip, accept: o.takeShipment, effect: o.final, outcome: o.ended(order.StatusShipped),
			unusable: o.keepShipment,
		}),
		take(ctx, o, handler[ApproveCredit]{
			name: ApproveCreditMessage, description: "Let an order on hold pass: {by, note}.",
			check: o.mayApprove, accept: o.takeApproval, effect: o.decisionMade,
			outcome: o.ended(order.StatusFulfilling, order.StatusShipped),
		}),
		take(ctx, o, handler[DeclineCredit]{
			name: DeclineCreditMessage, description: "Refuse an order on hold: {by, note}.",
			check: o.mayDecline, accept: o.takeRefusal, effect: o.decisionMade,
			outcome: o.ended(order.StatusRejected),
		}),
	)
}

func take[M message](ctx workflow.Context, o *orderRun, h handler[M]) error {
	signals := workflow.GetSignalChannelWithOptions(ctx, h.name, workflow.SignalChannelOptions{Description: h.description})
	workflow.GoNamed(ctx, h.name, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			signals.Receive(ctx, &raw)
			onSignal(ctx, o, h, raw)
		}
	})
	o.drains = append(o.drains, func(ctx workflow.Context) {
		var raw converter.RawValue
		for signals.ReceiveAsync(&raw) {
			onSignal(ctx, o, h, raw)
		}
	})
	update := func(ctx workflow.Context, raw converter.RawValue) (*order.State, error) {
		return onUpdate(ctx, o, h, raw)
	}
	validate := func(_ workflow.Context, raw converter.RawValue) error {
		m, err := decodeMessage[M](raw)
		if err != nil {
			return err
		}
		if err := h.check(m); err != nil {
			return refused(err)
		}
		return nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, h.name, update,
		workflow.UpdateHandlerOptions{Validator: validate, Description: h.description})
}

// onSignal takes a signal. One that cannot be used is logged and counted: whoever sent it got no answer.
func onSignal[M message](ctx workflow.Context, o *orderRun, h handler[M], raw converter.RawValue) {
	m, err := decodeMessage[M](raw)
	if err == nil {
		err = o.recordedFault(ctx, m)
	}
	if err == nil {
		err = h.check(m)
		if err == nil {
			h.accept(m)
		}
		if err == nil || h.unusable != nil && h.unusable(m, err) {
			o.signalled[h.name] = true
			return
		}
	}
	unusable(ctx, h.name, err)
	o.showProgress(ctx)
}

// recordedFault returns why a signal is unusable in a run that was recorded under an earlier rule, though it is usable by
// the one of today. Each such signal is a change of its own: a run that refused one is not bound to refuse the next.
func (o *orderRun) recordedFault(ctx workflow.Context, m any) error {
	shipment, ok := m.(RecordShipment)
	if !ok {
		return nil
	}
	earlier := label("carrier", shipment.Carrier)
	if earlier == nil {
		return nil
	}
	change := versionPrintableCarrier
	if o.widerCarriers++; o.widerCarriers > 1 {
		change = fmt.Sprintf("%s-%d", versionPrintableCarrier, o.widerCarriers)
	}
	if workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == 1 {
		return nil
	}
	return earlier
}

func unusable(ctx workflow.Context, signal string, err error) {
	workflow.GetLogger(ctx).Warn("signal cannot be used", "signal", signal, "error", err)
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"signal": signal}).Counter("orderflow_signals_unusable").Inc(1)
}

// onUpdate takes an update and returns when its effect is complete, or the order continues as new. The check is repeated,
// because another message may have come between an update's validation and its turn.
func onUpdate[M message](ctx workflow.Context, o *orderRun, h handler[M], raw converter.RawValue) (*order.State, error) {
	m, err := decodeMessage[M](raw)
	if err == nil {
		err = h.check(m)
	}
	if err != nil {
		return nil, refused(err)
	}
	h.accept(m)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return h.effect() || o.handingOver })
	if !h.effect() {
		return nil, temporal.NewNonRetryableApplicationError(errContinued.Error(), Continued, nil)
	}
	if h.outcome != nil {
		if err := h.outcome(); err != nil {
			return nil, refused(err)
		}
	}
	return o.snapshot(), nil
}

var errContinued = errors.New("the message was taken, and the order continues as new: query its status")

// Refused is the type of the error of an update that an order cannot take as it stands. Its message is fit for whoever asked.
const Refused = "REFUSED"

func refused(err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), Refused, nil)
}

// closeMessages answers every update, and takes or refuses every signal that came before the end.
func (o *orderRun) closeMessages(ctx workflow.Context) {
	ctx = disconnected(ctx)
	// A disconnected context is never cancelled, so the wait cannot fail.
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	o.drainSignals(ctx)
	for _, name := range o.inVain() {
		unusable(ctx, name, o.is(o.state.Status))
	}
	o.clearAll(ctx)
	o.showProgress(ctx)
}

// drainSignals takes every signal that is still unread. Those of names that no handler has are counted.
func (o *orderRun) drainSignals(ctx workflow.Context) {
	for _, drain := range o.drains {
		drain(ctx)
	}
	for range workflow.GetUnhandledSignalNames(ctx) {
		unusable(ctx, unknownMessage, errUnknownMessage) // the history says which name it was
	}
}

// unknownMessage is what signals are counted as that have a name nobody listens to.
const unknownMessage = "unknown"

var errUnknownMessage = errors.New("there is no message of that name")

// inVain are the signals that were taken and came to nothing, because what came with them won.
func (o *orderRun) inVain() (names []string) {
	vain := func(name string, condition bool) {
		if o.signalled[name] && condition {
			names = append(names, name)
		}
	}
	vain(CancelOrderMessage, o.state.Status != order.StatusCancelled)
	vain(RecordShipmentMessage, o.state.Status != order.StatusShipped)
	vain(ApproveCreditMessage, o.approval != nil && o.holdEnd != holdApproved)
	vain(DeclineCreditMessage, o.refusal != nil && o.holdEnd != holdDeclined)
	return names
}

// yieldToHandlers lets every message be taken that came in this workflow task: their handlers run after the order.
func yieldToHandlers(ctx workflow.Context) {
	yielded := false
	workflow.Go(ctx, func(workflow.Context) { yielded = true })
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return yielded })
}
