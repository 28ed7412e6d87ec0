package e2e_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

var (
	shipmentBody = map[string]any{"carrier": "DHL", "trackingNumber": "00340434292135100186"}
	decidedBy    = map[string]any{"by": "credit-desk.7", "note": "called"}
)

// awaitParked waits until an event of a stream is parked in the starter's group on the
// stream of links, for a reason.
func (s *stackClient) awaitParked(links, stream, reason string) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		command := s.stack.command(s.t.Context(), "orderflow", "parked", "list", "--limit", "1000")
		command.Env = append(command.Env, "STARTER_STREAM="+links)
		var stderr bytes.Buffer
		command.Stderr = &stderr
		out, err := command.Output()
		require.NoError(c, err, stderr.String())
		for line := range strings.Lines(string(out)) {
			if strings.Contains(line, stream) && strings.Contains(line, reason) {
				return
			}
		}
		assert.Fail(c, "not parked", "%s of %s:\n%s", reason, stream, out)
	}, patience, time.Second)
}

func TestShipmentRecorded_ShipsOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitStatus(id, order.StatusFulfilling)
	s.append(id, order.TypeShipmentRecorded, map[string]any{"orderId": id, "carrier": "DHL", "trackingNumber": "00340434292135100186"})
	state := s.awaitStatus(id, order.StatusShipped)
	require.Equal(t, order.Shipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}, state.Shipment)
	require.Equal(t, []string{"shipped", "DHL", "00340434292135100186"}, s.row(id, "status", "carrier", "tracking_number"))
	s.closed(id)

	s.append(id, order.TypeShipmentRecorded, shipmentBody) // a repetition, which has no effect
	s.append(id, order.TypeShipmentRecorded, map[string]any{"carrier": "UPS", "trackingNumber": "1"})
	s.awaitParked("$ce-order", id, "ORDER_CLOSED: the order is shipped")
	s.append(id, order.TypeShipmentRecorded, map[string]any{"carrier": "UPS"})
	s.awaitParked("$ce-order", id, "trackingNumber: must not be empty")
}

func TestShipmentRecorded_EarlyIsParkedWithTheOrdersWords(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	s.append(id, order.TypeShipmentRecorded, shipmentBody)
	s.awaitParked("$ce-order", id, "EARLY: the order has no fulfillment yet: nothing to ship")
	require.Equal(t, order.StatusOnHold, s.awaitStatus(id, order.StatusOnHold).Status)
}

func TestCreditDecision_ApprovesOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer, price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	s.append(id, order.TypeCreditApproved, decidedBy) // on the order's stream, where it means nothing
	decisions := order.CreditDecisionStream(id)
	s.append(decisions, order.TypeCreditApproved, map[string]any{"orderId": "order-other", "by": "op"})
	s.awaitParked(order.CreditDecisionLinks, decisions, "orderId: must be the order of the stream")
	require.Equal(t, order.StatusOnHold, s.awaitStatus(id, order.StatusOnHold).Status)

	s.append(decisions, order.TypeCreditApproved, decidedBy)
	s.awaitMail(id, order.StatusFulfilling, "sent")
	require.Equal(t, []string{"credit-account-opened", "credit-limit-exceeded", "credit-reserved"}, s.credit(customer))
	require.NotContains(t, s.history(id).String(), "called", "a note is stored nowhere")
	s.append(decisions, order.TypeCreditDeclined, decidedBy)
	s.awaitParked(order.CreditDecisionLinks, decisions, "REJECTED: the order is not on hold")
	s.append(decisions, order.TypeCreditApproved, decidedBy) // a repetition, which has no effect
	s.append(id, order.TypeShipmentRecorded, shipmentBody)
	s.awaitStatus(id, order.StatusShipped)
	s.closed(id)
	s.append(decisions, order.TypeCreditDeclined, map[string]any{"by": "another"})
	s.awaitParked(order.CreditDecisionLinks, decisions, "ORDER_CLOSED: the order is shipped")
}

func TestCreditDecision_DeclinesOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{price: "USD6000.00"})
	s.awaitStatus(id, order.StatusOnHold)
	s.append(order.CreditDecisionStream(id), order.TypeCreditDeclined, decidedBy)
	state := s.awaitMail(id, order.StatusRejected, "sent")
	require.Equal(t, order.ReasonCreditDeclined, state.Reason)
	s.closed(id)
	s.append(order.CreditDecisionStream(id), order.TypeCreditApproved, decidedBy)
	s.awaitParked(order.CreditDecisionLinks, order.CreditDecisionStream(id), "ORDER_CLOSED: the order is rejected")
}
