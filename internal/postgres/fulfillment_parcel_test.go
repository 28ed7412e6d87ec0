package postgres_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// parcels returns the first n parcels of the order, which the last of three completes.
func parcels(n int) []order.Parcel {
	all := []order.Parcel{
		{Shipment: order.Shipment{Carrier: "UPS", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 2, Quantity: 1}}},
		{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "2"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 4}}},
		{Shipment: order.Shipment{Carrier: "UPS", TrackingNumber: "1Z999"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}, {Line: 2, Quantity: 2}}},
	}
	return all[:n]
}

func parcelLeft(n int) fulfillment.ParcelLeft {
	return fulfillment.ParcelLeft{OrderID: orderID, CustomerID: customer, Total: total(), Parcels: parcels(n)}
}

func shippedInParcels() fulfillment.Close {
	c := shipped()
	c.Parcels = parcels(3)
	return c
}

func (w *world) recordParcel(n int) fulfillment.Row {
	w.t.Helper()
	row, err := w.RecordParcel(w.t.Context(), parcelLeft(n))
	require.NoError(w.t, err)
	return row
}

func TestRecordParcel(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.Equal(t, []int{5, 3}, w.start().Quantities)

	row := w.recordParcel(1)
	require.Equal(t, order.StatusFulfilling, row.Status)
	require.Equal(t, parcels(1), row.Parcels)
	require.EqualValues(t, 1, row.Revision)
	require.Equal(t, email.KindShipment, row.EmailDue)
	require.Equal(t, row, w.recordParcel(1), "repeated, it changes nothing")
	require.Equal(t, email.ParcelKind(2), w.recordParcel(2).EmailDue)
	require.Equal(t, parcels(2), w.recordParcel(1).Parcels, "a late attempt changes nothing")
	row = w.close(shippedInParcels())
	require.Equal(t, order.StatusShipped, row.Status)
	require.Equal(t, parcels(3), row.Parcels)
	require.Equal(t, row, w.close(shippedInParcels()))

	require.Equal(t, []string{"0|order-approved", "1|order-parcel-shipped", "2|order-parcel-shipped", "3|order-shipped"},
		w.rows("SELECT revision, event_type FROM order_fulfillment_history ORDER BY revision"))
	require.Equal(t, []string{"confirmation", "shipment", "shipment-2", "shipment-3"}, w.rows("SELECT kind FROM email_delivery ORDER BY seq"))
	state, err := w.FindState(t.Context(), orderID)
	require.NoError(t, err)
	require.Equal(t, parcels(3), state.Parcels)
}

func TestRecordParcel_Letter(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.recordParcel(1)
	w.recordParcel(2)
	w.close(shippedInParcels())

	second := w.claim(email.ParcelKind(2)).Letter
	require.Equal(t, "DHL 2", second.Carrier+" "+second.TrackingNumber)
	require.Equal(t, email.ParcelPart, second.Parcel)
	require.Equal(t, []email.LetterLine{{ProductName: "Lamp", Quantity: 4, UnitPrice: "601.05"}}, second.Lines)
	last := w.claim(email.ParcelKind(3)).Letter
	require.Equal(t, email.ParcelLast, last.Parcel)
	require.Len(t, last.Lines, 2)
	require.Equal(t, "canary-mail@example.com", last.To)
}

func TestRecordParcel_Refused(t *testing.T) {
	t.Run("without a row", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		_, err := w.RecordParcel(t.Context(), parcelLeft(1))
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
	t.Run("before the parcel that precedes it", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		_, err := w.RecordParcel(t.Context(), parcelLeft(2))
		require.ErrorIs(t, err, fulfillment.ErrBehind)
		_, err = w.CloseFulfillment(t.Context(), shippedInParcels())
		require.ErrorIs(t, err, fulfillment.ErrBehind)
	})
	t.Run("a close that does not know the parcels of the row", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		before := w.recordParcel(1)
		row, err := w.CloseFulfillment(t.Context(), shipped())
		require.ErrorIs(t, err, fulfillment.ErrClosed)
		require.Equal(t, before, row)
		before = w.recordParcel(2)
		other := shippedInParcels()
		other.Parcels = parcels(3)[1:]
		row, err = w.CloseFulfillment(t.Context(), other)
		require.ErrorIs(t, err, fulfillment.ErrClosed)
		require.Equal(t, before, row)
		require.Equal(t, order.StatusShipped, w.close(shippedInParcels()).Status)
	})
	t.Run("after the order was closed", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		w.close(cancelled())
		row, err := w.RecordParcel(t.Context(), parcelLeft(1))
		require.ErrorIs(t, err, fulfillment.ErrClosed)
		require.Equal(t, order.StatusCancelled, row.Status)
	})
	t.Run("of another order", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		other := parcelLeft(1)
		other.CustomerID = "another"
		_, err := w.RecordParcel(t.Context(), other)
		require.ErrorIs(t, err, fulfillment.ErrMismatch)
	})
	t.Run("a cancellation after the first parcel", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.start()
		before := w.recordParcel(1)
		row, err := w.CloseFulfillment(t.Context(), cancelled())
		require.ErrorIs(t, err, fulfillment.ErrParcelLeft)
		require.Equal(t, before, row)
	})
}

func TestStartFulfillment_ShipBy(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	timed := start()
	timed.ShipBy = time.Hour
	row, err := w.StartFulfillment(t.Context(), timed)
	require.NoError(t, err)
	require.WithinDuration(t, row.CreatedAt.Add(time.Hour), row.ShipBy, time.Minute)
	require.False(t, row.Late)
	again, err := w.StartFulfillment(t.Context(), start())
	require.NoError(t, err)
	require.Equal(t, row.ShipBy, again.ShipBy, "another setting changes nothing")

	require.NoError(t, w.exec("UPDATE order_fulfillment SET ship_by = clock_timestamp()"))
	state, err := w.FindState(t.Context(), orderID)
	require.NoError(t, err)
	require.True(t, state.Late)
	row = w.close(shipped())
	require.False(t, row.Late)
	require.EqualValues(t, 1, row.Revision, "it is no part of the content")
}

func TestSchema_GuardsParcels(t *testing.T) {
	for name, c := range map[string]struct{ sql, constraint string }{
		"a parcel stays":                        {`UPDATE order_fulfillment SET parcels = NULL`, "order_fulfillment_parcels_stay"},
		"a parcel does not change":              {`UPDATE order_fulfillment SET parcels = '[{"carrier": "x"}]'`, "order_fulfillment_parcels_stay"},
		"parcels come one by one":               {`UPDATE order_fulfillment SET parcels = parcels || '[{}, {}]'`, "order_fulfillment_parcels_stay"},
		"the order is not canceled":             {`UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED'`, "order_fulfillment_parcel_left"},
		"the order is shipped with a parcel":    {`UPDATE order_fulfillment SET status = 'shipped', carrier = 'x', tracking_number = 'y'`, "order_fulfillment_parcel_left"},
		"an order has no parcel when it begins": {`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at, parcels) VALUES ('order-2', 'c', 'fulfilling', 1, 'USD', 'e', now(), '[{}]')`, "order_fulfillment_begins"},
		"an email is about one of 50 parcels":   {`INSERT INTO email_delivery (order_id, kind, status, recipient) SELECT order_id, 'shipment-51', 'pending', 'a@example.com' FROM order_fulfillment`, "email_delivery_kind_check"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			w.recordParcel(1)
			var refused *pgconn.PgError
			require.ErrorAs(t, w.exec(c.sql), &refused)
			require.Equal(t, c.constraint, refused.ConstraintName)
		})
	}
}

func TestRestoreFulfillment_Parcels(t *testing.T) {
	sent := map[email.Kind]email.Status{email.KindShipment: email.StatusSent, email.ParcelKind(2): email.StatusSent}
	for name, lost := range map[string][]string{
		"writes a lost row as the same versions":   {loseHistory, loseLedger, loseLines, loseRow},
		"brings a row that lost a parcel to it":    {loseHistory + ` WHERE revision = 2`, `UPDATE order_fulfillment SET parcels = parcels - 1, revision = 1`},
		"leaves a row that has all parcels alone":  nil,
		"brings a row to one that the history has": {`UPDATE order_fulfillment SET parcels = NULL, revision = 0`},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorldToChange(t, postgres.Config{})
			w.start()
			w.recordParcel(1)
			before := w.recordParcel(2)
			history := w.history()
			w.lose(lost...)

			body := placed()
			state := order.State{Status: order.StatusFulfilling, Parcels: parcels(2)}
			row, err := w.RestoreFulfillment(t.Context(), fulfillment.Restore{Versions: versions(state), Order: &body, Emails: sent})
			require.NoError(t, err)
			require.Equal(t, before.Parcels, row.Parcels)
			require.Equal(t, before.Revision, row.Revision)
			require.Equal(t, before.Quantities, row.Quantities)
			require.Equal(t, history, w.history())
			require.Equal(t, []string{"shipment|sent", "shipment-2|sent"},
				w.rows("SELECT kind, status FROM email_delivery WHERE kind LIKE 'shipment%' ORDER BY kind"))
		})
	}
}
