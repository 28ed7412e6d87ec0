package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/email"
	"orderflow/internal/failpoint"
)

// settleTimeout bounds recording the outcome of an email. That time is available even
// after the attempt's own timeout: a known outcome must not be lost.
const settleTimeout = 5 * time.Second

// SendEmailInput identifies one email of an order. The ledger holds the rest.
type SendEmailInput struct {
	OrderID string     `json:"orderId"`
	Kind    email.Kind `json:"kind"`
}

// EmailResult is the status of an email. If RetrySeconds is above zero, its outcome is
// unknown, and the policy wants it sent once more after that time. Unsettled is the
// outcome of an attempt that the ledger did not record: it must be settled later.
type EmailResult struct {
	Status       email.Status   `json:"status"`
	RetrySeconds int64          `json:"retrySeconds,omitempty"`
	Unsettled    *email.Outcome `json:"unsettled,omitempty"`
}

// SendEmail claims the email in the ledger, sends it, and records the outcome. For an
// email that was sent, failed or was withdrawn it returns the status. It returns an error
// only if the email was certainly not sent and may be tried again.
func (a *Activities) SendEmail(ctx context.Context, in SendEmailInput) (EmailResult, error) {
	failpoint.Hit("worker.mail-claim.before")
	claim, err := a.Emails.ClaimEmail(ctx, in.OrderID, in.Kind)
	switch {
	case err != nil:
		return EmailResult{}, classifyError(ctx, fmt.Errorf("claim %s email: %w", in.Kind, err))
	case claim.Status == email.StatusUnknown:
		return EmailResult{Status: claim.Status, RetrySeconds: wholeSeconds(claim.RetryIn)}, nil
	case claim.RetryIn > 0:
		return EmailResult{}, retryAfter(typeLeased, fmt.Errorf("claim %s email: %w", in.Kind, errLeased), claim.RetryIn)
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
	claim.Letter.Attempt = claim.Attempt
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
		// Only this attempt knows the outcome. An error would lose it, and the email
		// would be sent again.
		return EmailResult{Status: outcome.Status.Report(), Unsettled: &outcome}, nil
	}
	if outcome.Status == email.StatusPending {
		return EmailResult{}, notSent(ctx, in.Kind, sendErr)
	}
	if status == email.StatusUnknown {
		return a.SendEmail(ctx, in) // the ledger applies the policy: hold, or how long to wait
	}
	return EmailResult{Status: status.Report()}, nil
}

// SettleEmail records the outcome of an attempt that could not record it in the ledger
// itself.
func (a *Activities) SettleEmail(ctx context.Context, outcome email.Outcome) (EmailResult, error) {
	status, err := a.settle(ctx, outcome)
	if err != nil {
		return EmailResult{}, classifyError(ctx, fmt.Errorf("settle %s email: %w", outcome.Kind, err))
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

// wholeSeconds rounds up, so that a caller that waits that long does not retry too early.
func wholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
