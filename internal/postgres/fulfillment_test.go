package postgres_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

func TestStartFulfillment_WritesRowLinesAndConfirmation(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	before := time.Now().Add(-time.Minute)

	row := w.start()

	require.WithinRange(t, row.CreatedAt, before, time.Now().Add(time.Minute))
	require.Equal(t, row.CreatedAt, row.UpdatedAt)
	row.CreatedAt, row.UpdatedAt = time.Time{}, time.Time{}
	require.Equal(t, fulfillment.Row{
		OrderID: orderID, CustomerID: customer, Status: order.StatusFulfilling, Total: total(), SourceEventID: sourceID,
		PlacedAt: placedAt(), Email: email.StatusPending, EmailDue: email.KindConfirmation, Quantities: []int{5, 3},
	}, row)
	require.Equal(t, []string{"1|3906|Lamp|5|601.05|0.21|363635", "2|4579|Ring|3|392.810|0.06|124914"},
		w.rows(`SELECT line_no, product_id, product_name, quantity, unit_price::text, tax_rate::text, total_minor
			FROM order_fulfillment_line ORDER BY line_no`))
	require.Equal(t, []string{"canary-title|canary-name|canary-phone|canary-country|canary-street 445,75096 Chadport|express"},
		w.rows(`SELECT recipient_title, recipient_name, recipient_phone, address_country,
			array_to_string(address_lines, ','), shipping_method FROM order_fulfillment`))
	require.Equal(t, []string{"confirmation|pending|canary-mail@example.com"},
		w.rows(`SELECT kind, status, recipient FROM email_delivery`))
}

func TestStartFulfillment_AgainReturnsStoredRow(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	first := w.start()

	again := start()
	again.Source.EventID = "another-event"
	again.Order.Lines = again.Order.Lines[:1]
	row, err := w.StartFulfillment(t.Context(), again)

	require.NoError(t, err)
	require.Equal(t, first, row)
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_line"), 2)
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 1)
}

func TestStartFulfillment_AnotherOrderIsMismatch(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	first := w.start()
	for name, change := range map[string]func(*order.Placed){
		"customer": func(p *order.Placed) { p.CustomerID = "customer-2" },
		"amount":   func(p *order.Placed) { p.Total.Minor++ },
		"currency": func(p *order.Placed) { p.Total.Currency = "EUR" },
	} {
		other := start()
		change(&other.Order)
		row, err := w.StartFulfillment(t.Context(), other)
		require.ErrorIs(t, err, fulfillment.ErrMismatch, name)
		require.Equal(t, first, row, name)
	}
}

func TestStartFulfillment_CleansUnstorableText(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	odd := start()
	odd.Order.Lines[0].ProductName = "La\x00mp\xff"
	odd.Order.Recipient = order.Recipient{}
	odd.Order.Address = order.Address{}

	_, err := w.StartFulfillment(t.Context(), odd)

	require.NoError(t, err)
	require.Equal(t, []string{"Lamp"}, w.rows("SELECT product_name FROM order_fulfillment_line WHERE line_no = 1"))
	require.Equal(t, []string{"<nil>|<nil>"}, w.rows("SELECT recipient_name, address_lines FROM order_fulfillment"))
}

func TestStartFulfillment_ConcurrentlyWritesOneVersion(t *testing.T) {
	w := newWorld(t, postgres.Config{MaxConns: 16})
	rows := make([]fulfillment.Row, 16)
	inParallel(t, len(rows), func(i int) (err error) {
		rows[i], err = w.StartFulfillment(t.Context(), start())
		return err
	})
	for _, row := range rows {
		require.Equal(t, rows[0], row)
	}
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment"), 1)
	require.Equal(t, []string{"0|order-approved"}, w.rows("SELECT revision, event_type FROM order_fulfillment_history"))
	require.Len(t, w.rows("SELECT 1 FROM email_delivery"), 1)
}

func TestCloseFulfillment_ShippedQueuesEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()

	row := w.close(shipped())

	require.Equal(t, order.StatusShipped, row.Status)
	require.Equal(t, "UPS 1Z999", row.Carrier+" "+row.TrackingNumber)
	require.EqualValues(t, 1, row.Revision)
	require.Equal(t, email.KindShipment, row.EmailDue)
	require.Equal(t, "pending|0|0|-", w.mail(email.KindConfirmation), "a confirmation may still go out")
	require.Equal(t, email.StatusSending, w.claim(email.KindConfirmation).Status)
}

func TestCloseFulfillment_RejectedWritesFinalRowAndEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})

	row := w.close(rejected())

	require.Equal(t, order.StatusRejected, row.Status)
	require.Equal(t, order.ReasonInsufficientCredit, row.Reason)
	require.EqualValues(t, 0, row.Revision)
	require.Equal(t, email.KindRejection, row.EmailDue)
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_line"), 2)
	claim := w.claim(email.KindRejection)
	require.Equal(t, "canary-mail@example.com", claim.Letter.To)
	require.Equal(t, order.ReasonInsufficientCredit, claim.Letter.Reason)
}

func TestCloseFulfillment_RejectedWithoutBodyHasNoEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	bare := rejected()
	bare.Reason, bare.Order = order.ReasonOrderGone, nil

	row := w.close(bare)

	require.Equal(t, order.StatusRejected, row.Status)
	require.Equal(t, email.StatusNone, row.Email)
	require.Empty(t, row.EmailDue)
}

func TestCloseFulfillment_CanceledBeforeStartIsFinal(t *testing.T) {
	w := newWorld(t, postgres.Config{})

	row := w.close(cancelled())

	require.Equal(t, order.StatusCancelled, row.Status)
	require.Equal(t, "customer-request", row.Code)
	require.Equal(t, email.StatusNone, row.Email)
	late := w.start()
	require.Equal(t, row, late, "a late start answers the final row")
	require.Empty(t, w.rows("SELECT 1 FROM order_fulfillment_line"))
	require.Empty(t, w.rows("SELECT 1 FROM email_delivery"))
}

func TestCloseFulfillment_CancellationEmail(t *testing.T) {
	own := email.Outcome{Kind: email.KindConfirmation, Attempt: 1}
	settled := func(status email.Status, id string) func(*world) {
		return func(w *world) {
			w.claim(email.KindConfirmation)
			o := own
			o.Status, o.MessageID = status, id
			w.settle(o)
		}
	}
	for name, c := range map[string]struct {
		before                     func(*world)
		confirmation, cancellation string
		due                        email.Kind
	}{
		"not tried":          {func(*world) {}, "suppressed|0|0|-", "none", ""},
		"tried, not sent":    {settled(email.StatusPending, ""), "suppressed|1|0|-", "none", ""},
		"never to be sent":   {settled(email.StatusFailed, ""), "failed|1|0|-", "none", ""},
		"being sent":         {func(w *world) { w.claim(email.KindConfirmation) }, "sending|1|0|-", "pending|0|0|-", email.KindCancellation},
		"sent":               {settled(email.StatusSent, "m-1"), "sent|1|0|m-1", "pending|0|0|-", email.KindCancellation},
		"outcome not known":  {settled(email.StatusUnknown, ""), "unknown|1|1|-", "pending|0|0|-", email.KindCancellation},
		"sent in vain again": {sentInVainAgain, "unknown|2|1|-", "pending|0|0|-", email.KindCancellation},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Microsecond})
			w.start()
			c.before(w)

			row := w.close(cancelled())

			require.Equal(t, c.confirmation, w.mail(email.KindConfirmation))
			require.Equal(t, c.cancellation, w.mail(email.KindCancellation))
			require.Equal(t, c.due, row.EmailDue)
			require.Equal(t, row, w.close(cancelled()), "the same again")
		})
	}
}

// sentInVainAgain leaves a confirmation pending that may have gone out at its first
// attempt.
func sentInVainAgain(w *world) {
	w.claim(email.KindConfirmation)
	w.settle(email.Outcome{Kind: email.KindConfirmation, Attempt: 1, Status: email.StatusUnknown})
	w.claim(email.KindConfirmation)
	w.settle(email.Outcome{Kind: email.KindConfirmation, Attempt: 2, Status: email.StatusPending})
}

func TestCloseFulfillment_AgainChangesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		started bool
		close   fulfillment.Close
	}{
		"shipped":                 {true, shipped()},
		"cancelled":               {true, cancelled()},
		"canceled before a start": {false, cancelled()},
		"rejected":                {false, rejected()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			if c.started {
				w.start()
			}
			first := w.close(c.close)
			require.Equal(t, first, w.close(c.close))
			require.Equal(t, first, w.start())
			found, err := w.FindFulfillment(t.Context(), orderID)
			require.NoError(t, err)
			require.Equal(t, first, found)
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), int(first.Revision)+1)
		})
	}
}

func TestCloseFulfillment_AnotherWayReturnsStoredRow(t *testing.T) {
	otherTracking, otherCode := shipped(), cancelled()
	otherTracking.TrackingNumber, otherCode.Code = "1Z000", "fraud"
	for name, c := range map[string]struct{ first, second fulfillment.Close }{
		"shipped, then canceled":              {shipped(), cancelled()},
		"shipped, then with another tracking": {shipped(), otherTracking},
		"canceled, then shipped":              {cancelled(), shipped()},
		"canceled, then for another reason":   {cancelled(), otherCode},
		"canceled, then rejected":             {cancelled(), rejected()},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			first := w.close(c.first)
			row, err := w.CloseFulfillment(t.Context(), c.second)
			require.ErrorIs(t, err, fulfillment.ErrClosed)
			require.Equal(t, first, row)
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 2)
		})
	}
}

func TestCloseFulfillment_Refuses(t *testing.T) {
	other, unknown, blank, unexplained := shipped(), shipped(), shipped(), cancelled()
	other.CustomerID, unknown.Status, blank.Carrier, unexplained.Reason = "customer-2", order.StatusOnHold, "", ""
	for name, c := range map[string]struct {
		started bool
		close   fulfillment.Close
		want    error
	}{
		"shipping an order without a row":       {false, shipped(), postgres.ErrNotFound},
		"rejecting an order that is fulfilling": {true, rejected(), fulfillment.ErrInvalid},
		"closing another customer's order":      {true, other, fulfillment.ErrMismatch},
		"a status that is not final":            {true, unknown, fulfillment.ErrInvalid},
		"a shipment without a carrier":          {true, blank, fulfillment.ErrInvalid},
		"a cancellation without a reason":       {true, unexplained, fulfillment.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			if c.started {
				w.start()
			}
			_, err := w.CloseFulfillment(t.Context(), c.close)
			require.ErrorIs(t, err, c.want)
			row, err := w.FindFulfillment(t.Context(), orderID)
			if !c.started {
				require.ErrorIs(t, err, postgres.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, order.StatusFulfilling, row.Status)
		})
	}
}

func TestStartFulfillment_ConcurrentCancellationWins(t *testing.T) {
	w := newWorld(t, postgres.Config{MaxConns: 8})
	for i := range 40 {
		id := fmt.Sprintf("order-race-%d", i)
		begin, end := start(), cancelled()
		begin.Order.OrderID, end.OrderID = id, id
		var started, closed fulfillment.Row
		inParallel(t, 2, func(i int) (err error) {
			if i == 0 {
				started, err = w.StartFulfillment(t.Context(), begin)
				return err
			}
			closed, err = w.CloseFulfillment(t.Context(), end)
			return err
		})
		require.Equal(t, order.StatusCancelled, closed.Status)
		lines := w.rows("SELECT 1 FROM order_fulfillment_line WHERE order_id = $1", id)
		mails := w.rows("SELECT kind, status FROM email_delivery WHERE order_id = $1", id)
		if started.Status == order.StatusCancelled && closed.Revision == 0 {
			require.Empty(t, lines)
			require.Empty(t, mails)
			continue
		}
		require.EqualValues(t, 1, closed.Revision)
		require.Len(t, lines, 2)
		require.Equal(t, []string{"confirmation|suppressed"}, mails)
	}
}

func TestCloseFulfillment_ConcurrentClaim(t *testing.T) {
	w := newWorld(t, postgres.Config{MaxConns: 8})
	for i := range 40 {
		id := fmt.Sprintf("order-race-%d", i)
		begin, end := start(), cancelled()
		begin.Order.OrderID, end.OrderID = id, id
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
		var claim email.Claim
		inParallel(t, 2, func(i int) (err error) {
			if i == 0 {
				claim, err = w.ClaimEmail(t.Context(), id, email.KindConfirmation)
				return err
			}
			_, err = w.CloseFulfillment(t.Context(), end)
			return err
		})
		want := []string{"confirmation|suppressed"}
		if claim.Status == email.StatusSending {
			want = []string{"confirmation|sending", "cancellation|pending"}
		}
		require.Equal(t, want, w.rows("SELECT kind, status FROM email_delivery WHERE order_id = $1 ORDER BY seq", id))
	}
}

// inParallel calls f with 0 to n-1 at once and expects no error.
func inParallel(t *testing.T, n int, f func(i int) error) {
	t.Helper()
	var all sync.WaitGroup
	begin := make(chan struct{})
	faults := make([]error, n)
	for i := range n {
		all.Go(func() {
			<-begin
			faults[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	require.NoError(t, errors.Join(faults...))
}
