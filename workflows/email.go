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

// OrderEmail sends one mail of an order that closed without waiting for it any longer, or that an operator wants sent
// again, for as long as it takes.
func OrderEmail(ctx workflow.Context, in activities.SendEmailInput) (*activities.EmailResult, error) {
	var result activities.EmailResult
	m := mail{orderID: in.OrderID, kind: in.Kind, options: patientMailing, note: func(s email.Status) { result.Status = s }}
	again := workflow.GetSignalChannel(ctx, SendAgainSignal)
	for asked := true; asked; asked = drain(again) {
		drain(again) // the attempt that follows answers them all
		if err := m.follow(ctx, m.attempt(ctx)); err != nil {
			return nil, err
		}
	}
	return &result, nil
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
	note    func(email.Status)
}

func (m mail) attempt(ctx workflow.Context) workflow.Future {
	return workflow.ExecuteActivity(m.options(ctx, m.kind), m.do.SendEmail, activities.SendEmailInput{OrderID: m.orderID, Kind: m.kind})
}

// follow waits for the outcome of a mail, and notes it. One whose outcome is unknown is sent once more when the ledger's
// policy says so, after the time it asks for.
func (m mail) follow(ctx workflow.Context, attempt workflow.Future) error {
	for {
		var result activities.EmailResult
		if err := attempt.Get(ctx, &result); err != nil {
			return err
		}
		again := result.RetrySeconds > 0
		if result.Unsettled != nil {
			status, err := m.settle(ctx, *result.Unsettled)
			if err != nil {
				return err
			}
			result.Status = status
			again = status == email.StatusPending || status == email.StatusUnknown // the ledger says when
		}
		m.note(result.Status)
		if !again {
			return nil
		}
		grace := time.Duration(result.RetrySeconds) * time.Second
		summary := workflow.TimerOptions{Summary: "grace time before the mail is sent once more"}
		if err := workflow.NewTimerWithOptions(ctx, grace, summary).Get(ctx, nil); err != nil {
			return err
		}
		attempt = m.attempt(ctx)
	}
}

// settle tells the ledger how an attempt ended. Nothing stops that: what is known must not be forgotten.
func (m mail) settle(ctx workflow.Context, outcome email.Outcome) (email.Status, error) {
	ctx = afloat(ctx)
	var result activities.EmailResult
	err := workflow.ExecuteActivity(storing(ctx, "settle "+mailSummary(m.kind)), m.do.SettleEmail, outcome).Get(ctx, &result)
	return result.Status, err
}
