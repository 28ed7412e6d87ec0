package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Defaults of EmailRules.
const (
	defaultGrace = 10 * time.Minute
	defaultLease = 2 * time.Minute
)

// EmailRules say how emails are claimed, and what becomes of an email of which it is
// unknown whether it was sent.
type EmailRules struct {
	Unknown email.Policy  // empty: resend
	Grace   time.Duration // from when an outcome becomes unknown to the single resend; 0: 10m
	Lease   time.Duration // how long a claim excludes others; must exceed the time of an attempt; 0: 2m
}

func (r EmailRules) withDefaults() EmailRules {
	if r.Unknown == "" {
		r.Unknown = email.PolicyResend
	}
	if r.Grace <= 0 {
		r.Grace = defaultGrace
	}
	if r.Lease <= 0 {
		r.Lease = defaultLease
	}
	return r
}

// arguments returns the arguments of the statements that read or change an order's
// emails.
func (r EmailRules) arguments(orderID string) pgx.NamedArgs {
	return pgx.NamedArgs{"order_id": orderID, "resend": r.Unknown == email.PolicyResend}
}

// EmailLedger holds one row per email of an order: whether it was sent, and who may send
// it. Each attempt is claimed before it is made. Senders claim and settle; operators list
// and resolve what senders left open. It is safe for concurrent use.
type EmailLedger struct {
	pool  *Pool
	rules EmailRules
}

// NewEmailLedger returns the ledger in the pool's database.
func NewEmailLedger(pool *Pool, rules EmailRules) *EmailLedger {
	return &EmailLedger{pool: pool, rules: rules.withDefaults()}
}

// ClaimEmail claims an order's email of a kind for sending. If the returned status is
// sending, the caller owns the attempt: it may send the letter once and must settle the
// attempt before the lease ends. Otherwise the status is the one in the ledger, where an
// attempt of another caller that is under way is reported as pending. RetryIn is then
// when to claim again, or zero if nothing is left to do. StatusNone means that the order
// has no such email.
func (l *EmailLedger) ClaimEmail(ctx context.Context, orderID string, kind email.Kind) (email.Claim, error) {
	args := l.rules.arguments(orderID)
	args["kind"], args["lease"], args["grace"] = kind, l.rules.Lease, l.rules.Grace
	args["suppressed"] = email.CodeSuppressed
	var owned bool
	var claim email.Claim
	err := l.pool.transact(ctx, "claim email", func(batch *pgx.Batch) {
		owned, claim = false, email.Claim{Status: email.StatusNone}
		batch.Queue(lockOrder, args)
		batch.Queue(expireAttempt, args)
		batch.Queue(stopSuppressed, args)
		batch.Queue(takeEmail, args).Query(func(rows pgx.Rows) error {
			owned = rows.Next()
			rows.Close()
			return rows.Err()
		})
		batch.Queue(selectEmail, args).QueryRow(func(row pgx.Row) error {
			err := scanClaim(row, kind, &claim)
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

func scanClaim(row pgx.Row, kind email.Kind, claim *email.Claim) error {
	var names, prices []string
	var quantities []int
	var parcels []order.Parcel
	var shipped bool
	letter := &claim.Letter
	err := row.Scan(&claim.Status, &claim.Attempt, &claim.RetryIn, &letter.To, &letter.Name,
		&letter.Total.Minor, &letter.Total.Currency, &letter.Reason, &letter.Carrier, &letter.TrackingNumber, &parcels, &shipped,
		&letter.Country, &letter.AddressLines, &names, &quantities, &prices, &letter.Language)
	if err != nil {
		return err
	}
	for i, name := range names {
		letter.Lines = append(letter.Lines, email.LetterLine{ProductName: name, Quantity: quantities[i], UnitPrice: prices[i]})
	}
	if n := kind.Parcel(); n > 0 && n <= len(parcels) {
		limitToParcel(letter, parcels[n-1], shipped && n == len(parcels))
	}
	return nil
}

// limitToParcel makes a letter about one of several parcels.
func limitToParcel(letter *email.Letter, parcel order.Parcel, last bool) {
	letter.Shipment, letter.Parcel = parcel.Shipment, email.ParcelPart
	if last {
		letter.Parcel = email.ParcelLast
	}
	ordered := letter.Lines
	letter.Lines = nil
	for _, line := range parcel.Lines {
		if line.Line <= len(ordered) {
			in := ordered[line.Line-1]
			in.Quantity = line.Quantity
			letter.Lines = append(letter.Lines, in)
		}
	}
}

// SettleEmail records the outcome of an attempt and returns the email's status after it.
// An email that was sent is recorded as sent however late the outcome arrives; any other
// outcome counts only while the attempt owns the row. StatusNone means that the ledger
// has no such email because its row was lost: there is nothing left to settle.
func (l *EmailLedger) SettleEmail(ctx context.Context, o email.Outcome) (email.Status, error) {
	const op = "settle email"
	args := l.rules.arguments(o.OrderID)
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
	err := l.pool.transact(ctx, op, func(batch *pgx.Batch) {
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
