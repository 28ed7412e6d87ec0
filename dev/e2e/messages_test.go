package e2e_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/activities"
	"orderflow/internal/order"
)

const shipped = `{"carrier":"DHL","trackingNumber":"00340434292135100186"}`

func TestRecordShipment(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	state := s.awaitMail(id, order.StatusFulfilling, "sent")
	require.Equal(t, order.CreditReserved, state.Credit)
	require.Equal(t, order.Money{Minor: 24200, Currency: "USD"}, state.Total)

	state, err := s.update(id, "record-shipment", shipped)
	require.NoError(t, err)
	require.Equal(t, order.StatusShipped, state.Status, "the update returns once the order is shipped")
	require.Equal(t, []string{"shipped", "DHL", "00340434292135100186"}, s.row(id, "status", "carrier", "tracking_number"))
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, "sent", s.awaitStatus(id, order.StatusShipped).Email)
	require.Equal(t, []string{"credit-account-opened", "credit-reserved"}, s.credit(customer))
	require.Equal(t, []string{"order-approved", "order-shipped"}, s.versions(id))
	require.ElementsMatch(t, []string{"confirmation", "shipment"}, kinds(s.mails(id)))

	history := s.history(id)
	require.LessOrEqual(t, len(history.Events), 32, "an order that ships by an update stays small")
	require.LessOrEqual(t, billableActions(history), 8)
	require.LessOrEqual(t, payloadBytes(history), maxPayload)
	require.NotContains(t, history.String(), "anary", "no personal data in the history")
	record(t, "shipped", history)
}

func TestCancelOrder_AfterConfirmation(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	state, err := s.update(id, "cancel-order", `{"reason":"customer-request"}`)
	require.NoError(t, err)
	require.Equal(t, order.StatusCancelled, state.Status)
	require.Equal(t, order.ReasonCancelled, state.Reason)
	require.Equal(t, "customer-request", state.Code)
	require.Equal(t, order.CreditReleased, state.Credit)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(id))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	require.Equal(t, []string{"order-approved", "order-cancelled"}, s.versions(id))
	require.ElementsMatch(t, []string{"confirmation", "cancellation"}, kinds(s.mails(id)))
	record(t, "cancelled", s.history(id))
}

func TestNativeCancellation(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), id, ""))
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, s.closed(id))
	require.Equal(t, []string{"cancelled", "CANCELLED"}, s.row(id, "status", "reason"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	record(t, "cancelled-natively", s.history(id))
}

func TestApproveCredit(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer, price: "USD6000.00"})
	state := s.awaitStatus(id, order.StatusOnHold)
	require.Equal(t, order.ReasonInsufficientCredit, state.Reason)
	require.Equal(t, order.CreditHeld, state.Credit)
	record(t, "on-hold", s.history(id))
	state, err := s.update(id, "approve-credit", `{"by":"op-1","note":"good customer"}`)
	require.NoError(t, err)
	require.Equal(t, order.StatusFulfilling, state.Status, "the update returns once the order continues")
	require.Equal(t, []string{"credit-account-opened", "credit-limit-exceeded", "credit-reserved"}, s.credit(customer))
	s.awaitMail(id, order.StatusFulfilling, "sent")
	record(t, "approved-waiting-for-shipment", s.history(id))
	s.signal(id, "record-shipment", shipped)
	s.awaitMail(id, order.StatusShipped, "sent")
}

func TestDeclineCredit(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer, price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	s.signal(id, "decline-credit", `{"by":"op-1","note":""}`)
	state := s.awaitMail(id, order.StatusRejected, "sent")
	require.Equal(t, order.ReasonCreditDeclined, state.Reason)
	require.Equal(t, []string{"credit-account-opened", "credit-limit-exceeded", "credit-released"}, s.credit(customer))
	require.Equal(t, []string{"order-rejected"}, s.versions(id))
	require.Equal(t, []string{"rejection"}, kinds(s.mails(id)))
	s.closed(id)
	record(t, "declined", s.history(id))
}

func TestCancelOrder_OnHold(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	_, err := s.update(id, "cancel-order", `{"reason":"customer-request"}`)
	require.NoError(t, err)
	require.Equal(t, []string{"cancelled", ""}, s.row(id, "status", "recipient_name"), "a customer without a confirmation needs no address")
	require.Empty(t, s.mails(id))
	s.closed(id)
	record(t, "cancelled-on-hold", s.history(id))
}

func TestOrder_OtherCurrencyIsRejected(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	first := s.place(orderSpec{customer: customer})
	s.awaitStatus(first, order.StatusFulfilling)
	second := s.place(orderSpec{customer: customer, price: "EUR10.00"})
	state := s.awaitMail(second, order.StatusRejected, "sent")
	require.Equal(t, order.ReasonCurrencyMismatch, state.Reason)
	require.Equal(t, order.CreditRefused, state.Credit)
	s.closed(second)
	record(t, "rejected", s.history(second))
}

func TestPayment_ReleasesCredit(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitStatus(id, order.StatusFulfilling)
	s.append(id, "order-paid", map[string]any{"amount": "USD242.00"})
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed("settlement-"+id+"-1"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	record(t, "settlement", s.history("settlement-"+id+"-1"))
	s.signal(id, "record-shipment", shipped)
	s.awaitStatus(id, order.StatusShipped)
}

func TestPayment_AddsUp(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitStatus(id, order.StatusFulfilling)
	s.append(id, "order-paid", map[string]any{"amount": "USD100.00", "paymentId": "p-1"})
	s.append(id, "order-paid", map[string]any{"amount": "USD100.00", "paymentId": "p-1"})
	for _, revision := range []string{"1", "2"} {
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed("settlement-"+id+"-"+revision))
		require.Equal(t, "PARTIAL USD100.00", s.settlement(id, revision))
	}
	record(t, "settlement-partial", s.history("settlement-"+id+"-1"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved"}, s.credit(customer))

	s.append(id, "order-paid", map[string]any{"amount": "USD150.00"})
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed("settlement-"+id+"-3"))
	require.Equal(t, "SETTLED USD250.00", s.settlement(id, "3"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	stream, err := s.events.ReadStream(t.Context(), "credit-"+customer, kurrentdb.ReadStreamOptions{From: kurrentdb.Revision(2)}, 1)
	require.NoError(t, err)
	defer stream.Close()
	released, err := stream.Recv()
	require.NoError(t, err)
	require.JSONEq(t, `{"orderId":"`+id+`","amount":"USD242.00","reason":"paid","paid":"USD250.00","overpaid":"USD8.00"}`,
		string(released.Event.Data))
}

// settlement returns the result of a payment.
func (s *stackClient) settlement(id, revision string) string {
	s.t.Helper()
	var settlement activities.Settlement
	require.NoError(s.t, s.temporal.GetWorkflow(s.t.Context(), "settlement-"+id+"-"+revision, "").Get(s.t.Context(), &settlement))
	return string(settlement.Status) + " " + settlement.Paid.String()
}

func TestCancellationRequested_CancelsOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitStatus(id, order.StatusFulfilling)
	s.append(id, "order-cancellation-requested", map[string]any{"reason": "customer-request"})
	state := s.awaitStatus(id, order.StatusCancelled)
	require.Equal(t, "customer-request", state.Code)
}

func TestOrder_ErasedBeforeFulfillment(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer, price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	s.erase(id)
	s.signal(id, "approve-credit", `{"by":"op-1"}`)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_FAILED, s.closed(id))
	require.Equal(t, []string{"cancelled", "ORDER_GONE"}, s.row(id, "status", "reason"))
	require.Equal(t, []string{"credit-account-opened", "credit-limit-exceeded", "credit-reserved", "credit-released"}, s.credit(customer))
	record(t, "order-gone", s.history(id))
}

func TestMessage_InvalidHasNoEffect(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitStatus(id, order.StatusFulfilling)
	for _, body := range []string{`{}`, `null`, `"now"`, `{"carrier":"D\u0007HL","trackingNumber":"1"}`, `{"carrier":1}`} {
		s.signal(id, "record-shipment", body)
		_, err := s.update(id, "record-shipment", body)
		require.Error(t, err)
	}
	_, err := s.update(id, "record-shipment", `{"carrier":"DHL"}`)
	require.ErrorContains(t, err, "trackingNumber: must not be empty")
	_, err = s.update(id, "approve-credit", `{"by":"op-1"}`)
	require.ErrorContains(t, err, "the order is not on hold")
	require.Equal(t, order.StatusFulfilling, s.awaitStatus(id, order.StatusFulfilling).Status)
	record(t, "waiting-for-shipment", s.history(id))
}
