package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
)

// OrderEmail sends one mail of an order that closed without waiting for it any longer, for as long as it takes.
func OrderEmail(ctx workflow.Context, in activities.SendEmailInput) (*activities.EmailResult, error) {
	var do *activities.Activities
	var result activities.EmailResult
	send := func() workflow.Future {
		return workflow.ExecuteActivity(patientMailing(ctx, in.Kind), do.SendEmail, in)
	}
	err := follow(ctx, send(), send, func(status email.Status) { result.Status = status })
	if err != nil {
		return nil, err
	}
	return &result, nil
}

// follow waits for the outcome of a mail, and notes it. One whose outcome is unknown is sent once more when the ledger's
// policy says so, after the time it asks for.
func follow(ctx workflow.Context, attempt workflow.Future, again func() workflow.Future, note func(email.Status)) error {
	for {
		var result activities.EmailResult
		if err := attempt.Get(ctx, &result); err != nil {
			return err
		}
		note(result.Status)
		if result.RetrySeconds == 0 {
			return nil
		}
		grace := workflow.NewTimerWithOptions(ctx, time.Duration(result.RetrySeconds)*time.Second,
			workflow.TimerOptions{Summary: "grace time before the mail is sent once more"})
		if err := grace.Get(ctx, nil); err != nil {
			return err
		}
		attempt = again()
	}
}
