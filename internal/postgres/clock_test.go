package postgres_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

// Inside the bubble the process believes that it is the year 2000, and its clock jumps by
// days where the test says so. Leases and grace times go by the database's clock, which
// does neither.
func TestClaimEmail_UsesDatabaseClock(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	synctest.Test(t, func(t *testing.T) {
		require.Equal(t, 2000, time.Now().Year())
		store, err := openStores(t.Context(), postgres.Config{URL: w.url, MaxConns: 1}, postgres.EmailRules{Lease: time.Minute, Grace: time.Hour})
		require.NoError(t, err)
		defer store.Close()
		claim := func() email.Claim {
			claim, err := store.ClaimEmail(t.Context(), orderID, confirmation)
			require.NoError(t, err)
			return claim
		}
		first := claim()
		require.Equal(t, email.StatusSending, first.Status)

		<-time.After(30 * 24 * time.Hour) // the process's clock jumps, the database's does not
		again := claim()
		require.Equal(t, email.StatusPending, again.Status, "the lease goes on")
		require.Greater(t, again.RetryIn, 30*time.Second)
		require.LessOrEqual(t, again.RetryIn, time.Minute)

		o := outcome(1, email.StatusUnknown, "")
		o.OrderID = orderID
		_, err = store.SettleEmail(t.Context(), o)
		require.NoError(t, err)
		<-time.After(30 * 24 * time.Hour)
		waiting := claim()
		require.Equal(t, email.StatusUnknown, waiting.Status, "and so does the grace time")
		require.Greater(t, waiting.RetryIn, 59*time.Minute)
	})
	w.elapse(time.Hour) // and the other way round: an hour for the database, none for the process
	synctest.Test(t, func(t *testing.T) {
		store, err := openStores(t.Context(), postgres.Config{URL: w.url, MaxConns: 1})
		require.NoError(t, err)
		defer store.Close()
		claim, err := store.ClaimEmail(t.Context(), orderID, confirmation)
		require.NoError(t, err)
		require.Equal(t, email.StatusSending, claim.Status)
	})
}
