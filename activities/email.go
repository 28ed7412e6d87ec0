package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/email"
	"orderflow/internal/failpoint"
)

// settleTimeout bounds recording what became of a mail. It is spent after the send, also when the attempt's own time is
// up: an outcome that is known must not be forgotten.
const settleTimeout = 5 * time.Second

// SendEmailInput names one mail of an order. The ledger holds the rest.
type SendEmailInput struct {
	OrderID string     `json:"orderId"`
	Kind    email.Kind `json:"kind"`
}

// EmailResult is where a mail stands. RetrySeconds above zero: its outcome is unknown, and the policy wants it sent once
// more after that time. Unsettled: an attempt ended so and the ledger did not take it down; it has to be told.
type EmailResult struct {
	Status       email.Status   `json:"status"`
	RetrySeconds int64          `json:"retrySeconds,omitempty"`
	Unsettled    *email.Outcome `json:"unsettled,omitempty"`
}

// SendEmail claims the mail in the ledger, sends it, and records the outcome. A mail that was sent, given up or taken
// back is answered as it stands. Only "certainly not sent, may be tried again" is an error.
func (a *Activities) SendEmail(ctx context.Context, in SendEmailInput) (EmailResult, error) {
	failpoint.Hit("worker.mail-claim.before")
	claim, err := a.Emails.ClaimEmail(ctx, in.OrderID, in.Kind)
	switch {
	case err != nil:
		return EmailResult{}, failure(ctx, fmt.Errorf("claim %s mail: %w", in.Kind, err))
	case claim.Status == email.StatusUnknown:
		return EmailResult{Status: claim.Status, RetrySeconds: wholeSeconds(claim.RetryIn)}, nil
	case claim.RetryIn > 0:
		return EmailResult{}, later(fmt.Errorf("claim %s mail: %w", in.Kind, errLeased), claim.RetryIn)
	case claim.Status != email.StatusSending:
		return EmailResult{Status: claim.Status.Report()}, nil
	}
	failpoint.Hit("worker.mail-claim.after")
	return a.send(ctx, in, claim)
}

var errLeased = errors.New("another attempt is sending it")

func (a *Activities) send(ctx context.Context, in SendEmailInput, claim email.Claim) (EmailResult, error) {
	outcome := email.Outcome{OrderID: in.OrderID, Kind: in.Kind, Attempt: claim.Attempt, Status: email.StatusSent}
	var sendErr *email.SendError
	messageID, err := a.Mailer.Send(ctx, claim.Letter)
	switch {
	case err == nil:
		outcome.MessageID = messageID
	case errors.As(err, &sendErr):
		outcome.Status, outcome.ErrorCode = sendErr.Status, sendErr.Code
	default:
		outcome.Status, outcome.ErrorCode = email.StatusUnknown, "unclassified"
	}
	status, settleErr := a.settle(ctx, outcome)
	if settleErr != nil {
		// What became of the mail is known here and nowhere else: an error would forget it, and send the mail again.
		return EmailResult{Status: outcome.Status.Report(), Unsettled: &outcome}, nil
	}
	if outcome.Status == email.StatusPending {
		return EmailResult{}, notSent(ctx, in.Kind, sendErr)
	}
	if status == email.StatusUnknown {
		return a.SendEmail(ctx, in) // the ledger answers with the policy: hold, or how long to wait
	}
	return EmailResult{Status: status.Report()}, nil
}

// SettleEmail tells the ledger how an attempt ended that could not tell it itself.
func (a *Activities) SettleEmail(ctx context.Context, outcome email.Outcome) (EmailResult, error) {
	status, err := a.settle(ctx, outcome)
	if err != nil {
		return EmailResult{}, failure(ctx, fmt.Errorf("settle %s mail: %w", outcome.Kind, err))
	}
	return EmailResult{Status: status.Report()}, nil
}

func (a *Activities) settle(ctx context.Context, outcome email.Outcome) (email.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	failpoint.Hit("worker.mail-settle.before")
	status, err := a.Emails.SettleEmail(ctx, outcome)
	if err == nil {
		failpoint.Hit("worker.mail-settle.after")
		a.Meter.EmailSettled(outcome.Kind, status)
	}
	return status, err
}

// wholeSeconds rounds up, so that whoever waits that long does not come too early.
func wholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
