package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

// age moves everything that happened to the emails so far into the past.
func (w *world) age(by time.Duration) {
	w.t.Helper()
	w.elapse(by)
	require.NoError(w.t, w.exec("UPDATE email_delivery SET updated_at = updated_at - $1::interval", by))
}

func TestCountUnsettledEmails(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	for i, settle := range []email.Outcome{
		outcome(1, email.StatusUnknown, ""), outcome(1, email.StatusUnknown, ""), outcome(1, email.StatusPending, ""),
		outcome(1, email.StatusSent, "m-1"), outcome(1, email.StatusFailed, ""), {}, // the last one's attempt goes on
	} {
		begin := start()
		begin.Order.OrderID = fmt.Sprintf("order-%d", i)
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
		_, err = w.ClaimEmail(t.Context(), begin.Order.OrderID, confirmation)
		require.NoError(t, err)
		if settle.Status != "" {
			settle.OrderID = begin.Order.OrderID
			_, err = w.SettleEmail(t.Context(), settle)
			require.NoError(t, err)
		}
	}
	w.start()
	pending, unknown, err := w.CountUnsettledEmails(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, pending, "one waits, one is being sent, and one is to be tried again")
	require.EqualValues(t, 2, unknown)
}
