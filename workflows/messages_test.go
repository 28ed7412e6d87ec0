package workflows_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestUpdate_RejectedByValidator(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, update, body, want string }{
		{"an unknown field", "cancel-order", `{"reason":"x","why":"y"}`, `why: is unknown`},
		{"a field in another case", "cancel-order", `{"Reason":"x"}`, `Reason: is unknown`},
		{"a field twice", "cancel-order", `{"reason":"x","reason":"y"}`, `duplicate`},
		{"an empty reason", "cancel-order", `{"reason":""}`, `reason: must not be empty`},
		{"a missing reason", "cancel-order", `{}`, `reason: must not be empty`},
		{"an address for a reason", "cancel-order", `{"reason":"ada@example.com"}`, `reason: must be 1 to 64 of [A-Za-z0-9._-]`},
		{"an over-long reason", "cancel-order", `{"reason":"` + strings.Repeat("x", 65) + `"}`, `reason: must be 1 to 64`},
		{"a number for a reason", "cancel-order", `{"reason":5}`, `reason: must be a string, is a number`},
		{"a bare string", "cancel-order", `"now"`, `must be one JSON object`},
		{"an array", "cancel-order", `[]`, `must be one JSON object`},
		{"null", "cancel-order", `null`, `must be one JSON object`},
		{"a missing carrier", "record-shipment", `{"trackingNumber":"1"}`, `carrier: must not be empty`},
		{"a missing tracking number", "record-shipment", `{"carrier":"DHL"}`, `trackingNumber: must not be empty`},
		{"a line feed in a carrier", "record-shipment", `{"carrier":"D\nHL","trackingNumber":"1"}`, `carrier: must be`},
		{"an approval without an operator", "approve-credit", `{"note":"x"}`, `by: must not be empty`},
		{"a note with an address", "approve-credit", `{"by":"op","note":"ask ada@example.com"}`, `note: must not contain an @`},
		{"an over-long note", "decline-credit", `{"by":"op","note":"` + strings.Repeat("é", 201) + `"}`, `note: must have at most 200 characters`},
		{"an over-long message", "decline-credit", `{"by":"` + strings.Repeat("x", 5000) + `"}`, `must have at most 4096 bytes`},
		{"an approval of an order that is not on hold", "approve-credit", `{"by":"op"}`, `the order is not on hold`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			var update *updateResult
			e.after(time.Hour, func() { update = e.update(test.update, json.RawMessage(test.body)) })
			e.after(2*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
			e.run()
			require.ErrorContains(t, update.rejected, test.want)
			require.Equal(t, order.StatusShipped, e.state().Status, "a rejected update does not change the order")
		})
	}
}

func TestSignal_UnusableIsIgnored(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"reason":""}`, `{"x":1}`, `17`, `null`, `"text"`, `[]`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			e.after(time.Hour, func() {
				e.signal(workflows.CancelOrderMessage, json.RawMessage(body))
				e.signal(workflows.CancelOrderMessage, []byte{0xff, 0x00})
				e.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op"})
			})
			e.after(2*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
			e.run()
			require.Equal(t, order.StatusShipped, e.state().Status)
		})
	}
}

func TestRecordShipment_SignaledBeforeFulfillment(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	var early *updateResult
	e.after(time.Minute, func() {
		early = e.update(workflows.RecordShipmentMessage, shipment)
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.after(2*time.Minute, func() { e.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"}) })
	e.run()
	require.ErrorContains(t, early.rejected, "nothing to ship")
	require.Equal(t, order.StatusShipped, e.state().Status)
	require.Equal(t, shipment.TrackingNumber, e.state().TrackingNumber)
}

func TestRecordShipment_Twice(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	var first, same, other *updateResult
	e.after(time.Hour, func() {
		first = e.update(workflows.RecordShipmentMessage, shipment)
		same = e.update(workflows.RecordShipmentMessage, shipment)
		other = e.update(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "UPS", TrackingNumber: "1"})
	})
	e.run()
	require.NoError(t, first.err)
	require.Equal(t, order.StatusShipped, first.state.Status, "the update returns when the order is shipped")
	require.NoError(t, same.err)
	require.Equal(t, order.StatusShipped, same.state.Status)
	require.ErrorContains(t, other.rejected, "the order ships with DHL 00340434292135100186")
	require.Equal(t, "DHL", e.state().Carrier)
}

func TestRecordShipment_TooLate(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	releaseOnlyReserved(e)
	var late *updateResult
	e.send = func(kind emailKind) (emailResult, error) {
		if kind == "cancellation" {
			late = e.update(workflows.RecordShipmentMessage, shipment)
			e.signal(workflows.RecordShipmentMessage, shipment)
		}
		return emailResult{Status: "sent"}, nil
	}
	e.after(time.Hour, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
	e.run()
	require.ErrorContains(t, late.rejected, "the order is cancelled")
	require.Equal(t, order.StatusCancelled, e.state().Status)
}

func TestCancelOrder_TooLate(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	var late *updateResult
	e.send = func(kind emailKind) (emailResult, error) {
		if kind == "shipment" {
			late = e.update(workflows.CancelOrderMessage, cancelOrder)
		}
		return emailResult{Status: "sent"}, nil
	}
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.ErrorContains(t, late.rejected, "the order is ship")
	require.Equal(t, order.StatusShipped, e.state().Status)
}

func TestHold_SecondDecisionIsRejected(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.decide = held("INSUFFICIENT_CREDIT", 1800)
	var second *updateResult
	e.after(time.Minute, func() {
		e.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"})
		second = e.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2"})
	})
	e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Error(t, second.rejected)
	require.Equal(t, order.StatusShipped, e.state().Status)
}

func TestOrderFulfillment_InvalidInput(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want    string
		corrupt func(*workflows.Input)
	}{
		{"orderId: must be", func(in *workflows.Input) { in.OrderID = "7" }},
		{"customerId: must not be empty", func(in *workflows.Input) { in.CustomerID = "" }},
		{"total: must be above zero", func(in *workflows.Input) { in.Total.Minor = 0 }},
		{"source.stream: must be the order id", func(in *workflows.Input) { in.Source.Stream = "order-2" }},
		{"source.eventId: must not be empty", func(in *workflows.Input) { in.Source.EventID = "" }},
	}
	for _, test := range tests {
		t.Run(test.want, func(t *testing.T) {
			t.Parallel()
			e, in := newOrderEnv(t), input()
			test.corrupt(&in)
			e.env.ExecuteWorkflow(workflows.OrderFulfillmentType, in)
			require.ErrorContains(t, e.env.GetWorkflowError(), test.want)
			require.Empty(t, e.calls())
		})
	}
}
