package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/order"
)

// handler describes one kind of message, which is both a signal and an update.
type handler[M Message] struct {
	name         string
	description  string
	check        func(M) error              // returns an error if the order cannot accept it now; must not write
	accept       func(M)                    // applies it
	effect       func(M) (done bool)        // reports whether the update may return
	outcome      func(M) error              // the update's error then; nil: return the order's state
	keepUnusable func(M, error) (kept bool) // a signal that check rejected; nil: never kept
}

// registerMessages registers every message. Call it before anything blocks, so every
// message has a handler.
func (o *orderRun) registerMessages(ctx workflow.Context) error {
	refresh := o.acceptRefresh(ctx, o.attributes)
	o.drains = append(o.drains, refresh.drain)
	query := workflow.QueryHandlerOptions{Description: "The order's state."}
	return errors.Join(
		workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (*order.State, error) { return o.snapshot(), nil }, query),
		registerMessage(ctx, o, handler[CancelOrder]{
			name: CancelOrderMessage, description: "Cancel the order, any time before its first shipment: {reason}.",
			check: o.checkCancel, accept: o.takeCancel, effect: o.cancelSettled,
			outcome: anyMessage[CancelOrder](o.expectStatus(order.StatusCancelled)),
		}),
		registerMessage(ctx, o, handler[RecordShipment]{
			name: RecordShipmentMessage, description: "A parcel has left with a carrier: {carrier, trackingNumber, lines: [{line, quantity}]}. " +
				"Without lines it contains all that is left.",
			check: o.checkShipment, accept: o.takeShipment, effect: o.parcelSettled, outcome: o.parcelOutcome,
			keepUnusable: o.keepShipment,
		}),
		registerMessage(ctx, o, handler[ApproveCredit]{
			name: ApproveCreditMessage, description: "Approve an order on hold: {by, note}.",
			check: o.checkApproval, accept: o.takeApproval, effect: anyMessage[ApproveCredit](o.decisionMade),
			outcome: anyMessage[ApproveCredit](o.expectStatus(order.StatusFulfilling, order.StatusShipped)), keepUnusable: o.keepApproval,
		}),
		registerMessage(ctx, o, handler[DeclineCredit]{
			name: DeclineCreditMessage, description: "Decline an order on hold: {by, note}.",
			check: o.checkDecline, accept: o.takeDecline, effect: anyMessage[DeclineCredit](o.decisionMade),
			outcome: anyMessage[DeclineCredit](o.expectStatus(order.StatusRejected)), keepUnusable: o.keepDecline,
		}),
	)
}

func registerMessage[M Message](ctx workflow.Context, o *orderRun, h handler[M]) error {
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
			return refusedError(err)
		}
		return nil
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, h.name, update,
		workflow.UpdateHandlerOptions{Validator: validate, Description: h.description})
}

// onSignal processes a signal. A signal that cannot be used is logged and counted,
// because its sender gets no response.
func onSignal[M Message](ctx workflow.Context, o *orderRun, h handler[M], raw converter.RawValue) {
	m, err := decodeMessage[M](raw)
	if err == nil {
		err = o.recordedFault(ctx, m)
	}
	if err == nil {
		err = h.check(m)
		if err == nil {
			h.accept(m)
		}
		if err == nil || h.keepUnusable != nil && h.keepUnusable(m, err) {
			o.signaled[h.name] = true
			return
		}
	}
	o.countUnusable(ctx, h.name, err)
	o.showProgress(ctx)
}

// recordedFault returns why a signal is unusable in a run recorded under an earlier rule,
// although today's rule accepts it. Each such signal is a change id of its own: a run
// that rejected one signal does not have to reject the next.
func (o *orderRun) recordedFault(ctx workflow.Context, m any) error {
	shipment, ok := m.(RecordShipment)
	if !ok {
		return nil
	}
	earlier := checkLabel("carrier", shipment.Carrier)
	if earlier == nil {
		return nil
	}
	change := versionPrintableCarrier
	if o.widerCarriers++; o.widerCarriers > 1 {
		change = fmt.Sprintf("%s-%d", versionPrintableCarrier, o.widerCarriers)
	}
	if o.follows(ctx, change) {
		return nil
	}
	return earlier
}

func (s *stepper) countUnusable(ctx workflow.Context, signal string, err error) {
	s.logger(ctx).Warn("signal cannot be used", "signal", signal, "error", err)
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"signal": signal}).Counter("orderflow_signals_unusable").Inc(1)
}

// onUpdate processes an update and returns when its effect is complete, or when the order
// continues as new. The check is repeated, because another message may have arrived
// between an update's validation and its handler.
func onUpdate[M Message](ctx workflow.Context, o *orderRun, h handler[M], raw converter.RawValue) (*order.State, error) {
	m, err := decodeMessage[M](raw)
	if err == nil {
		err = h.check(m)
	}
	if err != nil {
		return nil, refusedError(err)
	}
	h.accept(m)
	o.noteUpdate(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return h.effect(m) || o.handingOver })
	if !h.effect(m) {
		return nil, temporal.NewNonRetryableApplicationError(errContinued.Error(), Continued, nil)
	}
	if h.outcome != nil {
		if err := h.outcome(m); err != nil {
			return nil, refusedError(err)
		}
	}
	return o.snapshot(), nil
}

var errContinued = errors.New("the message was taken, and the order continues as new: query its status")

// Refused is the type of the error of an update that an order cannot accept in its
// current state. Its message may be shown to the sender.
const Refused = "REFUSED"

// Early is the type of the error of an update that came too early: the order may accept it
// later.
const Early = "EARLY"

func refusedError(err error) error {
	kind := Refused
	if errors.Is(err, errNothingToShip) || errors.Is(err, errNotOnHoldYet) {
		kind = Early
	}
	return temporal.NewNonRetryableApplicationError(err.Error(), kind, nil)
}

// closeMessages waits until every update has returned, and processes every signal that
// arrived before the end.
func (o *orderRun) closeMessages(ctx workflow.Context) {
	ctx = disconnected(ctx)
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	o.drainSignals(ctx)
	for _, name := range o.ineffective() {
		o.countUnusable(ctx, name, o.statusError(o.state.Status))
	}
	o.clearAllStuck(ctx)
	o.showProgress(ctx)
}

// drainSignals processes every signal that is still unread. Signals whose name has no
// handler are counted.
func (o *orderRun) drainSignals(ctx workflow.Context) {
	for _, drain := range o.drains {
		drain(ctx)
	}
	for range workflow.GetUnhandledSignalNames(ctx) {
		o.countUnusable(ctx, unknownMessage, errUnknownMessage) // the history says which name it was
	}
}

// unknownMessage is the metric's value for signals whose name has no handler.
const unknownMessage = "unknown"

var errUnknownMessage = errors.New("there is no message of that name")

// ineffective returns the names of the signals that were accepted and had no effect,
// because another message won.
func (o *orderRun) ineffective() (names []string) {
	add := func(name string, condition bool) {
		if o.signaled[name] && condition {
			names = append(names, name)
		}
	}
	add(CancelOrderMessage, o.state.Status != order.StatusCancelled)
	add(RecordShipmentMessage, o.state.Status != order.StatusShipped)
	add(ApproveCreditMessage, o.approval != nil && o.holdEnd != holdApproved)
	add(DeclineCreditMessage, o.decline != nil && o.holdEnd != holdDeclined)
	return names
}

// yieldToHandlers lets the handlers of every message that arrived in this workflow task
// run: they run after the order's own coroutine.
func yieldToHandlers(ctx workflow.Context) {
	yielded := false
	workflow.Go(ctx, func(workflow.Context) { yielded = true })
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return yielded })
}
