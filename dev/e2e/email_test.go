package e2e_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// Faults are set for one address, so that tests that share the stack do not interfere.
func TestEmail_FaultsDoNotBlockOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		fault    string
		email    string // final status of the confirmation
		arrived  int    // number of confirmations that arrived
		attempts int
	}{
		{"rejected", "failed", 0, 1},
		{"lost", "sent", 1, 1}, // accepted, its response dropped, and settled by SES's event
		{"error", "sent", 1, 2},
		{"throttled", "sent", 1, 2},
	}
	for _, test := range tests {
		t.Run(test.fault, func(t *testing.T) {
			t.Parallel()
			s := newStackClient(t)
			address := uuid.NewString() + "@example.com"
			s.fault(fmt.Sprintf(`{"fault":%q,"count":1,"to":%q}`, test.fault, address))
			id := s.place(orderSpec{email: address})
			s.awaitMail(id, order.StatusFulfilling, test.email)
			require.Len(t, s.mails(id), test.arrived)
			var attempts, unknown int
			require.NoError(t, s.database.QueryRow(t.Context(),
				"SELECT attempt, unknown_attempts FROM email_delivery WHERE order_id = $1", id).Scan(&attempts, &unknown))
			require.Equal(t, test.attempts, attempts)
			require.LessOrEqual(t, test.arrived, 1+unknown, "no more emails than the ledger allows")
			s.signal(id, "record-shipment", shipped)
			s.awaitStatus(id, order.StatusShipped)
		})
	}
}

func TestEmail_DescribesOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	mails := s.mails(id)
	require.Len(t, mails, 1)
	require.Equal(t, "canary.person@example.com", mails[0].To)
	for _, body := range []string{mails[0].Text, mails[0].HTML} {
		for _, want := range []string{id, "Table Lamp", "Canary Person", "242.00"} {
			require.Contains(t, body, want)
		}
	}
}
