package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"orderflow/internal/email"
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
// more after that time.
type EmailResult struct {
	Status       email.Status `json:"status"`
	RetrySeconds int64        `json:"retrySeconds,omitempty"`
}

// SendEmail claims the mail in the ledger, sends it, and records the outcome. A mail that was sent, given up or taken
// back is answered as it stands. Only "certainly not sent, may be tried again" is an error.
func (a *Activities) SendEmail(ctx context.Context, in SendEmailInput) (EmailResult, error) {
	if err := a.settleEarlier(ctx); err != nil {
		return EmailResult{}, failure(ctx, fmt.Errorf("settle %s mail: %w", in.Kind, err))
	}
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
	// Should the ledger be away now, the next attempt still knows what became of this one.
	activity.RecordHeartbeat(ctx, outcome)
	status, settleErr := a.settle(ctx, outcome)
	if settleErr != nil {
		return EmailResult{}, failure(ctx, fmt.Errorf("settle %s mail: %w", in.Kind, settleErr))
	}
	a.Meter.EmailSettled(in.Kind, status)
	if outcome.Status == email.StatusPending {
		return EmailResult{}, notSent(ctx, in.Kind, sendErr)
	}
	if status == email.StatusUnknown {
		return a.SendEmail(ctx, in) // the ledger answers with the policy: hold, or how long to wait
	}
	return EmailResult{Status: status.Report()}, nil
}

// settleEarlier records the outcome of an earlier attempt that came as far as sending and could not record it.
func (a *Activities) settleEarlier(ctx context.Context) error {
	var outcome email.Outcome
	if !activity.HasHeartbeatDetails(ctx) {
		return nil
	}
	if err := activity.GetHeartbeatDetails(ctx, &outcome); err != nil {
		return err
	}
	_, err := a.settle(ctx, outcome)
	return err
}

func (a *Activities) settle(ctx context.Context, outcome email.Outcome) (email.Status, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return a.Emails.SettleEmail(ctx, outcome)
}

// wholeSeconds rounds up, so that whoever waits that long does not come too early.
func wholeSeconds(d time.Duration) int64 {
	return int64((d + time.Second - 1) / time.Second)
}
