package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
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
	require.Equal(t, postgres.Remains{OrderID: orderID, Person: true, Addresses: 2, Versions: true}, remains())

	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	erased := remains()
	require.WithinDuration(t, time.Now(), erased.ErasedAt, time.Minute)
	require.Equal(t, postgres.Remains{OrderID: orderID, Versions: true, ErasedAt: erased.ErasedAt}, erased)
	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	require.Equal(t, erased, remains(), "the first time counts")

	_, err := w.Remains(t.Context(), make([]string, 1001))
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
}

// A vacuum leaves the versions that an older transaction may read, and its time is that of
// its end.
func TestRemains_EarlierVersions(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	versions := func() bool {
		t.Helper()
		all, err := w.Remains(t.Context(), []string{orderID})
		require.NoError(t, err)
		require.Len(t, all, 1)
		return all[0].Versions
	}
	frozen := func() bool {
		t.Helper()
		require.NoError(t, w.exec("VACUUM (FREEZE) order_fulfillment"))
		require.NoError(t, w.exec("VACUUM (FREEZE) email_delivery"))
		return !versions()
	}
	w.start()
	w.close(shipped())
	older, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, older.Close(context.WithoutCancel(t.Context()))) })
	readsAddress := func() (lines []string) {
		t.Helper()
		require.NoError(t, older.QueryRow(t.Context(), "SELECT address_lines FROM order_fulfillment WHERE order_id = $1", orderID).Scan(&lines))
		return lines
	}
	_, err = older.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ")
	require.NoError(t, err)
	require.NotEmpty(t, readsAddress())
	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	require.False(t, frozen())
	require.NotEmpty(t, readsAddress(), "the vacuum left it")

	_, err = older.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	require.True(t, versions(), "until the next vacuum")
	require.Eventually(t, frozen, time.Minute, 50*time.Millisecond, "autovacuum may have a snapshot for a moment")
	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	require.False(t, versions(), "the same again writes no version")

	require.NoError(t, w.exec("UPDATE email_delivery SET attempt = attempt WHERE order_id = $1", orderID))
	require.True(t, versions(), "of an email")
	require.Eventually(t, frozen, time.Minute, 50*time.Millisecond)
}
