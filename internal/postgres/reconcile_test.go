package postgres_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

func startOf(id string) fulfillment.Start {
	s := start()
	s.Order.OrderID = id
	return s
}

func TestListFulfillments_Pages(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	var want []string
	for i := range 25 {
		id := fmt.Sprintf("order-%02d", i)
		want = append(want, id)
		_, err := w.StartFulfillment(t.Context(), startOf(id))
		require.NoError(t, err)
	}
	var got []string
	for after := ""; ; {
		page, err := w.ListFulfillments(t.Context(), after, time.Time{}, 10)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), 10)
		if len(page) == 0 {
			break
		}
		for _, row := range page {
			got = append(got, row.OrderID)
		}
		after = page[len(page)-1].OrderID
	}
	require.Equal(t, want, got)

	row, err := w.FindFulfillment(t.Context(), "order-07")
	require.NoError(t, err)
	late, err := w.ListFulfillments(t.Context(), "", row.CreatedAt, 100)
	require.NoError(t, err)
	require.Len(t, late, 18, "those written since then")
}

func TestFindFulfillments_EqualsFindFulfillment(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	rows, err := w.FindFulfillments(t.Context(), []string{"order-none", orderID})
	require.NoError(t, err)
	want := w.mustFind(orderID)
	want.Quantities = nil // of the lines, which are not listed
	require.Equal(t, []fulfillment.Row{want}, rows, "what is listed is what one row tells")

	w.close(shipped())
	rows, err = w.FindFulfillments(t.Context(), []string{orderID})
	require.NoError(t, err)
	require.Equal(t, order.StatusShipped, rows[0].Status)
	require.Equal(t, email.KindShipment, rows[0].EmailDue)

	claim := w.claim(email.KindShipment)
	w.settle(email.Outcome{Kind: email.KindShipment, Attempt: claim.Attempt, Status: email.StatusSent, MessageID: "m"})
	rows, err = w.FindFulfillments(t.Context(), []string{orderID})
	require.NoError(t, err)
	require.Empty(t, rows[0].EmailDue)
	require.Equal(t, []email.Kind{email.KindConfirmation}, rows[0].AlsoDue, "nobody has sent the older one")

	none, err := w.FindFulfillments(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, none)
	_, err = w.FindFulfillments(t.Context(), make([]string, 1001))
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
}

func TestGrantReconcile_ReadsNothingPersonal(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	w.role("reconciler")
	require.NoError(t, w.exec("SELECT orderflow_grant_reconcile('reconciler')"))
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.User = url.UserPassword("reconciler", "secret")
	store, err := openStores(t.Context(), postgres.Config{URL: address.String()})
	require.NoError(t, err)
	defer store.Close()

	require.NoError(t, store.CheckSchema(t.Context()))
	rows, err := store.FindFulfillments(t.Context(), []string{orderID})
	require.NoError(t, err)
	require.Len(t, rows, 1)
	rows, err = store.ListFulfillments(t.Context(), "", time.Time{}, 10)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	_, err = store.FindFulfillment(t.Context(), orderID)
	require.Error(t, err, "it is given no more columns than these take")
	_, err = store.CloseFulfillment(t.Context(), shipped())
	require.Error(t, err)
	conn, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, query := range []string{
		"SELECT recipient_name FROM order_fulfillment", "SELECT recipient FROM email_delivery", "SELECT product_name FROM order_fulfillment_line",
	} {
		_, err := conn.Exec(t.Context(), query)
		require.ErrorContains(t, err, "permission denied", query)
	}
}
