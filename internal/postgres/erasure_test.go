package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/postgres"
)

func TestRemains(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	remains := func() postgres.Remains {
		t.Helper()
		all, err := w.Remains(t.Context(), []string{orderID, "order-none"})
		require.NoError(t, err)
		require.Len(t, all, 1)
		return all[0]
	}
	w.start()
	w.close(shipped())
	require.Equal(t, postgres.Remains{OrderID: orderID, Person: true, Addresses: 2}, remains())

	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	erased := remains()
	require.WithinDuration(t, time.Now(), erased.ErasedAt, time.Minute)
	require.Equal(t, postgres.Remains{OrderID: orderID, ErasedAt: erased.ErasedAt}, erased)
	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	require.Equal(t, erased, remains(), "the first time counts")

	_, err := w.Remains(t.Context(), make([]string, 1001))
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
}

func TestVacuumed(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	require.NoError(t, w.exec("VACUUM order_fulfillment"))
	at, err := w.Vacuumed(t.Context())
	require.NoError(t, err)
	require.Zero(t, at, "one of the two tables was not vacuumed")
	require.NoError(t, w.exec("VACUUM email_delivery"))
	require.Eventually(t, func() bool { // until the statistics have it
		at, err := w.Vacuumed(t.Context())
		require.NoError(t, err)
		return !at.IsZero()
	}, time.Minute, 50*time.Millisecond)
}
