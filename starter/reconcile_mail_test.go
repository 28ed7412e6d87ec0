package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/kurrentsim"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// aMailLeftInTheAir is an order whose worker died between claiming its confirmation and sending it, and which was terminated
// before another came to it. Its repair tells the customer of the cancellation, and must not leave the older mail as it is.
func aMailLeftInTheAir(t *testing.T, c cluster) {
	h := newHouse(t, c, kurrentsim.Options{}, 30*time.Minute)
	h.mails.setShut(true)
	h.run()
	id := newOrderID()
	h.append(id, orderFor(id, "customer-of-"+id, "USD100.00"))
	h.awaitStatus(id, order.StatusFulfilling)
	h.terminate(id)
	h.stopWork() // so that no attempt is under way
	db, err := pgx.Connect(t.Context(), h.address)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(t.Context())) }()
	_, err = db.Exec(t.Context(), `UPDATE email_delivery SET status = 'sending', attempt = attempt + 1, lease_until = clock_timestamp()
		WHERE order_id = $1`, id)
	require.NoError(t, err)
	h.startWork()
	h.mails.setShut(false)

	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", h.reconcile(fixing))

	h.awaitClosed(workflows.RepairID(id))
	h.awaitMails(id, email.KindCancellation)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var status string
		err := db.QueryRow(h.t.Context(), `SELECT status FROM email_delivery WHERE order_id = $1 AND kind = 'confirmation'`, id).Scan(&status)
		require.NoError(t, err)
		require.Equal(t, string(email.StatusUnknown), status)
	}, longEnough, 50*time.Millisecond)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
}
