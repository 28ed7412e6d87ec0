package postgres_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// lose takes away what a failover loses that lost these commits: rows of the given
// tables, whatever the triggers say.
func (w *world) lose(statements ...string) {
	w.t.Helper()
	require.NoError(w.t, w.exec("SET session_replication_role = replica"))
	for _, statement := range statements {
		require.NoError(w.t, w.exec(statement))
	}
	require.NoError(w.t, w.exec("SET session_replication_role = origin"))
}

const (
	loseRow     = `DELETE FROM order_fulfillment`
	loseLines   = `DELETE FROM order_fulfillment_line`
	loseLedger  = `DELETE FROM email_delivery`
	loseHistory = `DELETE FROM order_fulfillment_history`
	setRowBack  = `UPDATE order_fulfillment SET status = 'fulfilling', carrier = NULL, tracking_number = NULL, revision = 0`
)

// history is all that makes the events of an order.
func (w *world) history() []string {
	w.t.Helper()
	return w.rows(`SELECT order_id, revision, event_type, old::text, new::text FROM order_fulfillment_history ORDER BY revision`)
}

func versions(end order.State) []fulfillment.Version {
	return fulfillment.EndedAs(nil, fulfillment.FirstVersion(placed(), sourceID), end)
}

func shippedState(e email.Status) order.State {
	return order.State{Status: order.StatusShipped, Shipment: order.Shipment{Carrier: "UPS", TrackingNumber: "1Z999"}, Email: string(e)}
}

func TestRestoreFulfillment(t *testing.T) {
	for name, lost := range map[string][]string{
		"writes a lost row as the same versions":                        {loseHistory, loseLedger, loseLines, loseRow},
		"writes a row that was deleted by hand":                         {loseLedger, loseLines, loseRow},
		"writes a row that left its lines and emails behind":            {loseHistory, loseRow},
		"brings a row that lost its last version to that version":       {loseHistory + ` WHERE revision = 1`, setRowBack},
		"brings a row to a version that the history still has":          {setRowBack},
		"leaves a row that is at its last version and its emails alone": nil,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldToChange(t, postgres.Config{})
			w.start()
			before := w.close(shipped())
			history, lines := w.history(), w.rows("SELECT * FROM order_fulfillment_line ORDER BY line_no")
			w.lose(lost...)

			body := placed()
			restore := fulfillment.Restore{Versions: versions(shippedState(email.StatusSent)), Order: &body, Emails: map[email.Kind]email.Status{email.KindShipment: email.StatusSent}}
			row, err := w.RestoreFulfillment(t.Context(), restore)
			require.NoError(t, err)
			require.Equal(t, order.StatusShipped, row.Status)
			require.Equal(t, before.Revision, row.Revision)
			require.Equal(t, before.TrackingNumber, row.TrackingNumber)
			require.Equal(t, history, w.history())
			require.Equal(t, lines, w.rows("SELECT * FROM order_fulfillment_line ORDER BY line_no"))

			again, err := w.RestoreFulfillment(t.Context(), restore)
			require.NoError(t, err)
			require.Equal(t, row, again)
			require.Equal(t, history, w.history())
		})
	}
}

func TestRestoreFulfillment_Emails(t *testing.T) {
	body := placed()
	for name, c := range map[string]struct {
		restore            fulfillment.Restore
		confirmation, last string // as world.mail has them
		lastKind           email.Kind
	}{
		"an email that the workflow says was sent is not sent again": {
			fulfillment.Restore{Versions: versions(shippedState("sent")), Order: &body, Emails: map[email.Kind]email.Status{email.KindShipment: email.StatusSent}},
			"unknown|0|2|-", "sent|0|0|-", email.KindShipment,
		},
		"one of which nothing is known may be sent once more, and none before it": {
			fulfillment.Restore{Versions: versions(shippedState("")), Order: &body},
			"unknown|0|2|-", "unknown|0|1|-", email.KindShipment,
		},
		"a confirmation that was sent is not sent again while the order waits": {
			fulfillment.Restore{
				Versions: versions(order.State{Status: order.StatusFulfilling}), Order: &body,
				Emails: map[email.Kind]email.Status{email.KindConfirmation: email.StatusSent},
			},
			"sent|0|0|-", "none", email.KindShipment,
		},
		"an order that was canceled before its customer was told needs none": {
			fulfillment.Restore{
				Versions: versions(order.State{Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: "suppressed"}),
				Order:    &body, Emails: map[email.Kind]email.Status{email.KindConfirmation: email.StatusSuppressed},
			},
			"suppressed|0|0|-", "none", email.KindCancellation,
		},
		"an erased order gets none": {
			fulfillment.Restore{Versions: versions(shippedState("pending")), Emails: map[email.Kind]email.Status{email.KindShipment: email.StatusPending}},
			"unknown|0|2|-", "unknown|0|1|-", email.KindShipment,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			_, err := w.RestoreFulfillment(t.Context(), c.restore)
			require.NoError(t, err)
			require.Equal(t, c.confirmation, w.mail(email.KindConfirmation))
			require.Equal(t, c.last, w.mail(c.lastKind))
			if c.restore.Order == nil { // without an address there is nothing to claim
				require.Zero(t, w.claim(c.lastKind).RetryIn)
			}
		})
	}
}

// A failover may lose an email's outcome and keep the email.
func TestRestoreFulfillment_SurvivingLedger(t *testing.T) {
	const (
		claimed = `UPDATE email_delivery SET status = 'sending', attempt = 1, lease_until = clock_timestamp() - interval '1s'`
		sent    = `UPDATE email_delivery SET status = 'sent', attempt = 1, message_id = 'm-1'`

		throttled = `UPDATE email_delivery SET attempt = 2, unknown_attempts = 1, unknown_at = clock_timestamp()`
		again     = `UPDATE email_delivery SET resolution = 'resend', resolved_at = clock_timestamp()`
	)
	canceledState := order.State{Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: "suppressed"}
	type known = map[email.Kind]email.Status
	for name, c := range map[string]struct {
		end                order.State
		known              known
		ledger             string // a statement, empty: the confirmation is pending
		confirmation, last string
		lastKind           email.Kind
	}{
		"the newest email was sent, and its claim is lost": {
			order.State{Status: order.StatusFulfilling}, known{email.KindConfirmation: email.StatusSent}, "",
			"sent|0|0|-", "none", email.KindShipment,
		},
		"the newest email was sent, and its settlement is lost": {
			order.State{Status: order.StatusFulfilling}, known{email.KindConfirmation: email.StatusSent}, claimed,
			"sent|1|0|-", "none", email.KindShipment,
		},
		"the email before was sent": {
			shippedState(""), known{email.KindConfirmation: email.StatusSent, email.KindShipment: email.StatusSent}, "",
			"sent|0|0|-", "sent|0|0|-", email.KindShipment,
		},
		"nobody knows of the email before": {
			shippedState(""), known{email.KindConfirmation: email.StatusUnknown, email.KindShipment: email.StatusSent}, "",
			"unknown|0|2|-", "sent|0|0|-", email.KindShipment,
		},
		"the ledger knows more of the email before": {
			shippedState(""), known{email.KindConfirmation: email.StatusUnknown, email.KindShipment: email.StatusSent}, throttled,
			"pending|2|1|-", "sent|0|0|-", email.KindShipment,
		},
		"an operator wants the email before sent again": {
			shippedState(""), known{email.KindConfirmation: email.StatusFailed, email.KindShipment: email.StatusSent}, again,
			"pending|0|0|-", "sent|0|0|-", email.KindShipment,
		},
		"a cancellation had an email, so the customer may have been told of the approval": {
			canceledState, known{email.KindConfirmation: email.StatusUnknown, email.KindCancellation: email.StatusPending}, "",
			"unknown|0|2|-", "unknown|0|1|-", email.KindCancellation,
		},
		"the email before is left to a workflow of its own": {
			shippedState(""), known{email.KindConfirmation: email.StatusPending, email.KindShipment: email.StatusSent}, "",
			"pending|0|0|-", "sent|0|0|-", email.KindShipment,
		},
		"an email that the ledger has as sent stays so": {
			shippedState(""), known{email.KindConfirmation: email.StatusUnknown, email.KindShipment: email.StatusFailed}, sent,
			"sent|1|0|m-1", "failed|0|0|-", email.KindShipment,
		},
		"a confirmation that was taken back is taken back again": {
			canceledState, known{email.KindConfirmation: email.StatusSuppressed}, "",
			"suppressed|0|0|-", "none", email.KindCancellation,
		},
		"a confirmation that was taken back went out since": {
			canceledState, known{email.KindConfirmation: email.StatusSuppressed}, sent,
			"sent|1|0|m-1", "pending|0|0|-", email.KindCancellation,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldToChange(t, postgres.Config{})
			w.start()
			if c.ledger != "" {
				w.lose(c.ledger)
			}
			body := placed()
			restore := fulfillment.Restore{Versions: versions(c.end), Order: &body, Emails: c.known}
			for range 2 {
				row, err := w.RestoreFulfillment(t.Context(), restore)
				require.NoError(t, err)
				require.Equal(t, c.end.Status, row.Status)
				require.Equal(t, c.confirmation, w.mail(email.KindConfirmation))
				require.Equal(t, c.last, w.mail(c.lastKind))
			}
		})
	}
}

func TestCloseFulfillment_KeepsNewerLedgerEntry(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	w.lose(`UPDATE email_delivery SET attempt = 2, unknown_attempts = 1, unknown_at = clock_timestamp()`) // it is tried again
	for _, status := range []email.Status{email.StatusUnknown, email.StatusFailed} {
		closing := shipped()
		closing.Emails = map[email.Kind]email.Status{email.KindConfirmation: status}
		w.close(closing)
		require.Equal(t, "pending|2|1|-", w.mail(email.KindConfirmation))
	}
}

func TestCloseFulfillment_SettlesEmailsOfWorkflow(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start() // a failover lost that the confirmation was sent
	closing := cancelled()
	closing.Emails = map[email.Kind]email.Status{email.KindConfirmation: email.StatusSent}
	row := w.close(closing)
	require.Equal(t, email.KindCancellation, row.EmailDue, "the customer was told that the order goes through")
	require.Equal(t, "sent|0|0|-", w.mail(email.KindConfirmation))
}

func TestRestoreFulfillment_Refuses(t *testing.T) {
	t.Run("a row of another order", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		other := versions(shippedState("sent"))
		for i := range other {
			other[i].CustomerID = "customer-2"
		}
		row, err := w.RestoreFulfillment(t.Context(), fulfillment.Restore{Versions: other})
		require.ErrorIs(t, err, fulfillment.ErrMismatch)
		require.Equal(t, order.StatusFulfilling, row.Status)
	})
	t.Run("another content at a revision that the history has", func(t *testing.T) {
		w := newWorldToChange(t, postgres.Config{})
		w.start()
		w.close(shipped())
		w.lose(setRowBack)
		other := shippedState("sent")
		other.TrackingNumber = "1Z000"
		_, err := w.RestoreFulfillment(t.Context(), fulfillment.Restore{Versions: versions(other)})
		require.ErrorIs(t, err, fulfillment.ErrInvalid)
		require.ErrorContains(t, err, "order_fulfillment_history_order_id_revision_key")
	})
}

func TestCloseFulfillment_OfLostRow(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	lost := cancelled()
	lost.Began = true
	_, err := w.CloseFulfillment(t.Context(), lost)
	require.ErrorIs(t, err, fulfillment.ErrNotFound)
	require.Empty(t, w.rows("SELECT 1 FROM order_fulfillment"))
}
