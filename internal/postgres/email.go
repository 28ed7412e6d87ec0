package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
)

// ClaimEmail claims an order's email of a kind for sending. If the returned status is
// sending, the caller owns the attempt: it may send the letter once and must settle the
// attempt before the lease ends. Otherwise the status is the one in the ledger, where an
// attempt of another caller that is under way is reported as pending. RetryIn is then
// when to claim again, or zero if nothing is left to do. StatusNone means that the order
// has no such email.
func (s *Store) ClaimEmail(ctx context.Context, orderID string, kind email.Kind) (email.Claim, error) {
	args := s.arguments(orderID)
	args["kind"], args["lease"], args["grace"] = kind, s.config.Lease, s.config.Grace
	var owned bool
	var claim email.Claim
	err := s.transact(ctx, "claim email", func(batch *pgx.Batch) {
		owned, claim = false, email.Claim{Status: email.StatusNone}
		batch.Queue(lockOrder, args)
		batch.Queue(expireAttempt, args)
		batch.Queue(takeEmail, args).Query(func(rows pgx.Rows) error {
			owned = rows.Next()
			rows.Close()
			return rows.Err()
		})
		batch.Queue(selectEmail, args).QueryRow(func(row pgx.Row) error {
			err := scanClaim(row, &claim)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	})
	switch {
	case err != nil:
		return email.Claim{}, err
	case owned:
		claim.RetryIn = 0
		claim.Letter.OrderID, claim.Letter.Kind = orderID, kind
	default: // only the owner of the attempt gets the letter
		claim = email.Claim{Status: claim.Status.Report(), Attempt: claim.Attempt, RetryIn: claim.RetryIn}
	}
	return claim, nil
}

func scanClaim(row pgx.Row, claim *email.Claim) error {
	var names, prices []string
	var quantities []int
	letter := &claim.Letter
	err := row.Scan(&claim.Status, &claim.Attempt, &claim.RetryIn, &letter.To, &letter.Name,
		&letter.Total.Minor, &letter.Total.Currency, &letter.Reason, &letter.Carrier, &letter.TrackingNumber,
		&letter.Country, &letter.AddressLines, &names, &quantities, &prices)
	if err != nil {
		return err
	}
	for i, name := range names {
		letter.Lines = append(letter.Lines, email.LetterLine{ProductName: name, Quantity: quantities[i], UnitPrice: prices[i]})
	}
	return nil
}

// SettleEmail records the outcome of an attempt and returns the email's status after it.
// An email that was sent is recorded as sent however late the outcome arrives; any other
// outcome counts only while the attempt owns the row. StatusNone means that the ledger
// has no such email because its row was lost: there is nothing left to settle.
func (s *Store) SettleEmail(ctx context.Context, o email.Outcome) (email.Status, error) {
	const op = "settle email"
	args := s.arguments(o.OrderID)
	args["kind"], args["attempt"], args["status"] = o.Kind, o.Attempt, o.Status
	args["message_id"], args["error_code"] = optional(o.MessageID), optional(o.ErrorCode)
	var settle string
	switch o.Status {
	case email.StatusSent:
		if o.MessageID == "" {
			return "", &Error{Op: op, Code: "message id", kind: fulfillment.ErrInvalid}
		}
		settle = settleSent
	case email.StatusPending, email.StatusFailed, email.StatusUnknown:
		settle = settleUnsent
	default:
		return "", &Error{Op: op, Code: "status", kind: fulfillment.ErrInvalid}
	}
	status := email.StatusNone
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
		batch.Queue(lockOrder, args)
		batch.Queue(settle, args)
		batch.Queue(selectEmailStatus, args).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&status)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	})
	if err != nil {
		return "", err
	}
	return status, nil
}
