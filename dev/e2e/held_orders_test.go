package e2e_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// raiseLimit changes a customer's credit limit over HTTP.
func (s *stackClient) raiseLimit(customer, limit string) {
	s.t.Helper()
	code, body := s.request(http.MethodPut, "/customers/"+customer+"/credit-limit", map[string]any{"limit": limit})
	require.Equal(s.t, http.StatusOK, code, string(body))
}

func TestHeldOrder_GoesOnWhenTheLimitRises(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	first := s.place(orderSpec{customer: customer, price: "USD6000.00"}) // USD14520.00 each, of a limit of USD10000.00
	require.NotZero(t, s.awaitStatus(first, order.StatusOnHold).HoldUntil)
	second := s.place(orderSpec{customer: customer, price: "USD6000.00"})
	s.awaitStatus(second, order.StatusOnHold)

	s.raiseLimit(customer, "USD20000.00")
	state := s.awaitMail(first, order.StatusFulfilling, "sent")
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Zero(t, state.HoldUntil)
	require.Equal(t, order.StatusOnHold, s.awaitStatus(second, order.StatusOnHold).Status, "the older one comes first, and both do not fit")
	record(t, "reviewed-waiting-for-shipment", s.history(first))

	_, err := s.update(first, "cancel-order", `{"reason":"customer-request"}`)
	require.NoError(t, err)
	s.awaitMail(second, order.StatusFulfilling, "sent")
	require.Equal(t, []string{
		"credit-account-opened", "credit-limit-exceeded", "credit-limit-exceeded", "credit-limit-changed", "credit-reserved",
		"credit-released", "credit-reserved",
	}, s.credit(customer))
	s.signal(second, "record-shipment", shipped)
	s.awaitStatus(second, order.StatusShipped)
}
