package fulfillment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

func TestKnownEmails(t *testing.T) {
	t.Parallel()
	type known = map[email.Kind]email.Status
	for name, c := range map[string]struct {
		state order.State
		want  known
	}{
		"returns the status of each email": {
			order.State{Status: order.StatusShipped, Email: "sent", Emails: map[string]string{"confirmation": "pending", "shipment": "sent"}},
			known{email.KindConfirmation: email.StatusPending, email.KindShipment: email.StatusSent},
		},
		"returns unknown for a pending confirmation if there is a cancellation email": {
			order.State{Status: order.StatusCancelled, Email: "sent", Emails: map[string]string{"confirmation": "pending", "cancellation": "sent"}},
			known{email.KindConfirmation: email.StatusUnknown, email.KindCancellation: email.StatusSent},
		},
		"is empty before the first email": {order.State{Status: order.StatusOnHold, Email: "none"}, known{}},
		"uses the newest status for the shipment": {
			order.State{Status: order.StatusShipped, Email: "sent"},
			known{email.KindConfirmation: email.StatusUnknown, email.KindShipment: email.StatusSent},
		},
		"uses it for the confirmation of an open order": {
			order.State{Status: order.StatusFulfilling, Email: "sent"}, known{email.KindConfirmation: email.StatusSent},
		},
		"uses it for the rejection": {
			order.State{Status: order.StatusRejected, Email: "failed"}, known{email.KindRejection: email.StatusFailed},
		},
		"uses it for the cancellation": {
			order.State{Status: order.StatusCancelled, Email: "sent"},
			known{email.KindConfirmation: email.StatusUnknown, email.KindCancellation: email.StatusSent},
		},
		"uses a withdrawn email's status for the confirmation": {
			order.State{Status: order.StatusCancelled, Email: "suppressed"}, known{email.KindConfirmation: email.StatusSuppressed},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, fulfillment.KnownEmails(c.state))
		})
	}
}

func TestEndedAs_CanceledOrder(t *testing.T) {
	t.Parallel()
	first := fulfillment.Version{OrderID: "order-1", Status: order.StatusFulfilling}
	canceled := order.State{Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: "none"}
	require.Len(t, fulfillment.EndedAs(nil, first, canceled), 1, "it was canceled before its fulfillment began")
	canceled.Emails = map[string]string{"confirmation": "sent", "cancellation": "unknown"}
	require.Len(t, fulfillment.EndedAs(nil, first, canceled), 2, "the ledger lost the newest email, and the workflow knows of an older one")
}

func TestRow_State(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		row    fulfillment.Row
		credit order.Credit
	}{
		"waiting for shipment": {fulfillment.Row{Status: order.StatusFulfilling}, order.CreditReserved},
		"shipped":              {fulfillment.Row{Status: order.StatusShipped}, order.CreditReserved},
		"cancelled":            {fulfillment.Row{Status: order.StatusCancelled, Reason: order.ReasonCancelled}, order.CreditReleased},
		"never had the credit": {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonInsufficientCredit}, order.CreditRefused},
		"declined on hold":     {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonCreditDeclined}, order.CreditReleased},
		"held for too long":    {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonHoldExpired}, order.CreditReleased},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.row.OrderID, test.row.Email = "order-1", email.StatusSending

			state := test.row.State()

			require.Equal(t, test.row.Status, state.Status)
			require.Equal(t, test.row.Reason, state.Reason)
			require.Equal(t, test.credit, state.Credit)
			require.Equal(t, "pending", state.Email, "the value used in reports")
		})
	}
}
