package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
)

// SendAgainSignal tells OrderEmail that the ledger has its mail as pending again. It comes with the start, so that it finds
// a run or makes one, and a run that is about to end looks once more.
const SendAgainSignal = "send-again"

// EmailInput is what OrderEmail is started with: one email of an order and, when an attempt to send it ended and the
// ledger could not be told, how it ended.
type EmailInput struct {
	OrderID string         `json:"orderId"`
	Kind    email.Kind     `json:"kind"`
	Outcome *email.Outcome `json:"outcome,omitempty"`
}

// OrderEmail sends one email of an order that closed without waiting for it any longer, or that an operator wants sent
// again, for as long as it takes. An outcome that is known already is settled first, and no attempt follows unless the
// ledger then has the email as not sent or unknown.
func OrderEmail(ctx workflow.Context, in EmailInput) (*activities.EmailResult, error) {
	var result activities.EmailResult
	m := mail{
		orderID: in.OrderID, kind: in.Kind, options: patientMailing, settling: settlePatiently,
		note: func(s email.Status) { result.Status = s },
	}
	again := workflow.GetSignalChannel(ctx, SendAgainSignal)
	asked := true
	if in.Outcome != nil {
		status, err := m.settle(ctx, *in.Outcome)
		if err != nil {
			return nil, err
		}
		m.note(status)
		asked = unsettled(status) || drain(again)
	}
	for ; asked; asked = drain(again) {
		drain(again) // the attempt that follows is the answer to all of them
		if _, err := m.follow(ctx, m.attempt(ctx)); err != nil {
			return nil, err
		}
	}
	return &result, nil
}

// unsettled reports whether the ledger has to be asked what comes next, and when.
func unsettled(status email.Status) bool {
	return status == email.StatusPending || status == email.StatusUnknown
}

// drain takes all signals of a channel and reports whether there were any.
func drain(signals workflow.ReceiveChannel) (found bool) {
	for signals.ReceiveAsync(nil) {
		found = true
	}
	return found
}

// mail is one send in the air.
type mail struct {
	do      *activities.Activities // nil: it only names the methods
	orderID string
	kind    email.Kind
	options func(workflow.Context, email.Kind) workflow.Context

	settling func(workflow.Context, email.Kind) workflow.Context
	note     func(email.Status)
}

func (m mail) attempt(ctx workflow.Context) workflow.Future {
	return workflow.ExecuteActivity(m.options(ctx, m.kind), m.do.SendEmail, activities.SendEmailInput{OrderID: m.orderID, Kind: m.kind})
}

// follow waits for the outcome of an email, and notes it. One whose outcome is unknown is sent once more when the ledger's
// policy says so, after the time it asks for. With an error it returns the outcome that the ledger could not be told, nil
// when there is none.
func (m mail) follow(ctx workflow.Context, attempt workflow.Future) (*email.Outcome, error) {
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
		m.note(result.Status)
		if !again {
			return nil, nil
		}
		grace := time.Duration(result.RetrySeconds) * time.Second
		summary := workflow.TimerOptions{Summary: "grace time before the mail is sent once more"}
		if err := workflow.NewTimerWithOptions(ctx, grace, summary).Get(ctx, nil); err != nil {
			return nil, err
		}
		attempt = m.attempt(ctx)
	}
}

// settle tells the ledger how an attempt ended. A cancellation does not stop it: what is known must not be forgotten.
func (m mail) settle(ctx workflow.Context, outcome email.Outcome) (email.Status, error) {
	ctx = m.settling(disconnected(ctx), m.kind)
	var result activities.EmailResult
	err := workflow.ExecuteActivity(ctx, m.do.SettleEmail, outcome).Get(ctx, &result)
	return result.Status, err
}
