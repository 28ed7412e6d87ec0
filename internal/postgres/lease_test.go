package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

// hold tries to take the lease of the tests for an hour.
func (w *world) hold(holder string) bool {
	w.t.Helper()
	held, err := w.HoldLease(w.t.Context(), "metrics", holder, time.Hour)
	require.NoError(w.t, err)
	return held
}

// expire lets the database's time go by for leases.
func (w *world) expire(by time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.exec("UPDATE orderflow_lease SET expires_at = expires_at - $1::interval", by))
}

func TestHoldLease(t *testing.T) {
	t.Run("one holder has it until it expires", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		require.True(t, w.hold("a"))
		require.False(t, w.hold("b"))
		w.expire(59 * time.Minute)
		require.False(t, w.hold("b"))
		w.expire(time.Minute)
		require.True(t, w.hold("b"))
		require.False(t, w.hold("a"), "its former holder learns that it is lost")
	})
	t.Run("its holder renews it", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		require.True(t, w.hold("a"))
		w.expire(59 * time.Minute)
		require.True(t, w.hold("a"))
		w.expire(59 * time.Minute)
		require.False(t, w.hold("b"))
	})
	t.Run("its holder takes it again if nobody else did", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		require.True(t, w.hold("a"))
		w.expire(2 * time.Hour)
		require.True(t, w.hold("a"))
	})
	t.Run("another name is another lease", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		require.True(t, w.hold("a"))
		held, err := w.HoldLease(t.Context(), "other", "b", time.Hour)
		require.NoError(t, err)
		require.True(t, held)
	})
	t.Run("one of many gets an expired one", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		for range 10 {
			var holders atomic.Int64
			inParallel(t, 8, func(i int) error {
				held, err := w.HoldLease(t.Context(), "metrics", fmt.Sprint("holder-", i), time.Hour)
				if held {
					holders.Add(1)
				}
				return err
			})
			require.EqualValues(t, 1, holders.Load())
			w.expire(time.Hour)
		}
	})
	t.Run("a holder of another connection is the same holder", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		require.True(t, w.hold("a"))
		held, err := w.hasty(patience, 1).HoldLease(t.Context(), "metrics", "a", time.Hour)
		require.NoError(t, err)
		require.True(t, held, "the lease is no session's")
	})
	t.Run("an outage is an error and no answer", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		w.Close()
		_, err := w.HoldLease(t.Context(), "metrics", "a", time.Hour)
		require.ErrorIs(t, err, postgres.ErrUnavailable)
	})
}

// Inside the bubble the process believes that it is the year 2000, and its clock jumps by
// days.
func TestHoldLease_UsesDatabaseClock(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	synctest.Test(t, func(t *testing.T) {
		store, err := openStores(t.Context(), postgres.Config{URL: w.url, MaxConns: 1})
		require.NoError(t, err)
		defer store.Close()
		held, err := store.HoldLease(t.Context(), "metrics", "a", time.Hour)
		require.NoError(t, err)
		require.True(t, held)
		<-time.After(30 * 24 * time.Hour)
		held, err = store.HoldLease(t.Context(), "metrics", "b", time.Hour)
		require.NoError(t, err)
		require.False(t, held)
	})
	require.False(t, w.hold("b"))
}

func TestReleaseLease(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.True(t, w.hold("a"))
	require.NoError(t, w.ReleaseLease(t.Context(), "metrics", "b"))
	require.False(t, w.hold("b"), "only its holder may end it")
	require.NoError(t, w.ReleaseLease(t.Context(), "metrics", "a"))
	require.True(t, w.hold("b"))
}

// limited is a store on the world's database, of the role.
func (w *world) limited(role string) *stores {
	w.t.Helper()
	address, err := url.Parse(w.url)
	require.NoError(w.t, err)
	address.User = url.UserPassword(role, "secret")
	store, err := openStores(w.t.Context(), postgres.Config{URL: address.String()})
	require.NoError(w.t, err)
	w.t.Cleanup(store.Close)
	return store
}

func TestMigrate_GrantsLeaseToExistingWorkers(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.role("upgraded")
	w.role("reader")
	// As it was before the lease: the table is not there, and the role has the worker's
	// other rights.
	require.NoError(t, w.exec(`DROP TABLE orderflow_lease`))
	require.NoError(t, w.exec(`GRANT SELECT, INSERT, UPDATE ON email_delivery TO upgraded`))
	require.NoError(t, w.exec(`GRANT SELECT ON email_delivery TO reader`))
	statements, err := os.ReadFile("migrations/009_lease.sql")
	require.NoError(t, err)
	require.NoError(t, w.exec(string(statements)))

	held, err := w.limited("upgraded").HoldLease(t.Context(), "metrics", "a", time.Hour)
	require.NoError(t, err)
	require.True(t, held)
	_, err = w.limited("reader").HoldLease(t.Context(), "metrics", "b", time.Hour)
	var refused *postgres.Error
	require.True(t, errors.As(err, &refused))
	require.Equal(t, "42501", refused.Code)
}

func TestGrantWorker_MayHoldLease(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.role("leaseholder")
	require.NoError(t, w.exec("SELECT orderflow_grant_worker('leaseholder')"))
	store := w.limited("leaseholder")
	for range 2 {
		held, err := store.HoldLease(t.Context(), "metrics", "a", time.Hour)
		require.NoError(t, err)
		require.True(t, held)
	}
	require.NoError(t, store.ReleaseLease(t.Context(), "metrics", "a"))
}
