package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// SendAgainSignal informs OrderEmail that the ledger has its email as pending again. It
// is sent with signal-with-start, so that it reaches a running workflow or starts one. A
// run that is about to end checks for it once more.
const SendAgainSignal = "send-again"

// EmailInput is the input of OrderEmail: one email of an order and, if an attempt to send
// it ended and the ledger could not record it, the outcome of that attempt.
type EmailInput struct {
	OrderID string         `json:"orderId"`
	Kind    email.Kind     `json:"kind"`
	Outcome *email.Outcome `json:"outcome,omitempty"`
	Source  order.Source   `json:"source,omitzero"` // for the log; zero if unknown
}

// OrderEmail sends one email of an order that closed without waiting for it any longer,
// or that an operator wants sent again. It retries without a limit. A known outcome is
// settled first, and another attempt follows only if the ledger then has the email as not
// sent or unknown.
func OrderEmail(ctx workflow.Context, in EmailInput) (*activities.EmailResult, error) {
	var result activities.EmailResult
	m := emailSend{
		orderID: in.OrderID, source: in.Source, kind: in.Kind, options: detachedEmailOptions, settling: settleOptions,
		note: func(s email.Status) { result.Status = s },
	}
	again := workflow.GetSignalChannel(ctx, SendAgainSignal)
	asked := true
	if in.Outcome != nil {
		status, err := m.settle(ctx, *in.Outcome)
		if err != nil {
			return nil, err
		}
		m.settled(ctx, status)
		asked = unsettled(status) || drain(again)
	}
	for ; asked; asked = drain(again) {
		drain(again) // the attempt that follows serves all of them
		if _, err := m.follow(ctx, m.attempt(ctx)); err != nil {
			return nil, err
		}
	}
	return &result, nil
}

// unsettled reports whether another attempt must ask the ledger what to do next, and
// when.
func unsettled(status email.Status) bool {
	return status == email.StatusPending || status == email.StatusUnknown
}

// drain receives all pending signals of a channel and reports whether there were any.
func drain(signals workflow.ReceiveChannel) (found bool) {
	for signals.ReceiveAsync(nil) {
		found = true
	}
	return found
}

// emailSend is one email being sent.
type emailSend struct {
	do      *activities.Activities // always nil: only its method names are used
	orderID string
	source  order.Source // for the log; zero if unknown
	kind    email.Kind
	options func(workflow.Context, email.Kind) workflow.Context

	settling func(workflow.Context, email.Kind) workflow.Context
	note     func(email.Status)
}

func (m emailSend) attempt(ctx workflow.Context) workflow.Future {
	return workflow.ExecuteActivity(m.options(ctx, m.kind), m.do.SendEmail, activities.SendEmailInput{OrderID: m.orderID, Kind: m.kind})
}

// follow waits for the outcome of an email and notes it. An email whose outcome is
// unknown is sent once more if the ledger's policy says so, after the delay it asks for.
// Along with an error, follow returns the outcome that the ledger could not record, or
// nil if there is none.
func (m emailSend) follow(ctx workflow.Context, attempt workflow.Future) (*email.Outcome, error) {
	for {
		var result activities.EmailResult
		if err := attempt.Get(ctx, &result); err != nil {
			return nil, err
		}
		again := result.RetrySeconds > 0
		if result.Unsettled != nil {
			status, err := m.settle(ctx, *result.Unsettled)
			if err != nil {
				return result.Unsettled, err
			}
			result.Status = status
			again = unsettled(status)
		}
		m.settled(ctx, result.Status)
		if !again {
			return nil, nil
		}
		grace := time.Duration(result.RetrySeconds) * time.Second
		summary := workflow.TimerOptions{Summary: "grace time before the email is sent once more"}
		if err := workflow.NewTimerWithOptions(ctx, grace, summary).Get(ctx, nil); err != nil {
			return nil, err
		}
		attempt = m.attempt(ctx)
	}
}

// settled logs and notes the outcome of an attempt.
func (m emailSend) settled(ctx workflow.Context, status email.Status) {
	orderLogger(ctx, m.orderID, m.source).Info("email "+string(status), "kind", m.kind)
	m.note(status)
}

// settle records the outcome of an attempt in the ledger. A cancellation does not stop
// it: a known outcome must not be lost.
func (m emailSend) settle(ctx workflow.Context, outcome email.Outcome) (email.Status, error) {
	ctx = m.settling(disconnected(ctx), m.kind)
	var result activities.EmailResult
	err := workflow.ExecuteActivity(ctx, m.do.SettleEmail, outcome).Get(ctx, &result)
	return result.Status, err
}
