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

func TestAnUpdateThatCannotBeUsedIsRefusedByItsValidator(t *testing.T) {
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
		{"an approval by nobody", "approve-credit", `{"note":"x"}`, `by: must not be empty`},
		{"a note with an address", "approve-credit", `{"by":"op","note":"ask ada@example.com"}`, `note: must not contain an @`},
		{"an over-long note", "decline-credit", `{"by":"op","note":"` + strings.Repeat("é", 201) + `"}`, `note: must have at most 200 characters`},
		{"an over-long message", "decline-credit", `{"by":"` + strings.Repeat("x", 5000) + `"}`, `must have at most 4096 bytes`},
		{"an approval that nobody waits for", "approve-credit", `{"by":"op"}`, `the order is not on hold`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var update *answer
			w.after(time.Hour, func() { update = w.update(test.update, json.RawMessage(test.body)) })
			w.after(2*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
			w.run()
			require.ErrorContains(t, update.rejected, test.want)
			require.Equal(t, order.StatusShipped, w.state().Status, "a refused update leaves the order alone")
		})
	}
}

func TestASignalThatCannotBeUsedLeavesTheOrderAlone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"reason":""}`, `{"x":1}`, `17`, `null`, `"text"`, `[]`} {
		t.Run(body, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.after(time.Hour, func() {
				w.signal(workflows.CancelOrderMessage, json.RawMessage(body))
				w.signal(workflows.CancelOrderMessage, []byte{0xff, 0x00})
				w.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op"})
			})
			w.after(2*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
			w.run()
			require.Equal(t, order.StatusShipped, w.state().Status)
		})
	}
}

func TestAShipmentSignalledBeforeTheFulfilmentExistsIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = held("INSUFFICIENT_CREDIT", 1800)
	var early *answer
	w.after(time.Minute, func() {
		early = w.update(workflows.RecordShipmentMessage, shipment)
		w.signal(workflows.RecordShipmentMessage, shipment)
	})
	w.after(2*time.Minute, func() { w.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"}) })
	w.run()
	require.ErrorContains(t, early.rejected, "nothing to ship")
	require.Equal(t, order.StatusShipped, w.state().Status)
	require.Equal(t, shipment.TrackingNumber, w.state().TrackingNumber)
}

func TestTheSameShipmentAgainIsNoNewsAndAnotherIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var first, same, other *answer
	w.after(time.Hour, func() {
		first = w.update(workflows.RecordShipmentMessage, shipment)
		same = w.update(workflows.RecordShipmentMessage, shipment)
		other = w.update(workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "UPS", TrackingNumber: "1"})
	})
	w.run()
	require.NoError(t, first.err)
	require.Equal(t, order.StatusShipped, first.state.Status, "the update answers when the order is shipped")
	require.NoError(t, same.err)
	require.Equal(t, order.StatusShipped, same.state.Status)
	require.ErrorContains(t, other.rejected, "the order ships with DHL 00340434292135100186")
	require.Equal(t, "DHL", w.state().Carrier)
}

func TestAShipmentThatComesTooLateIsRefusedAsAnUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	released(w)
	var late *answer
	w.send = func(kind emailKind) (emailResult, error) {
		if kind == "cancellation" {
			late = w.update(workflows.RecordShipmentMessage, shipment)
			w.signal(workflows.RecordShipmentMessage, shipment)
		}
		return emailResult{Status: "sent"}, nil
	}
	w.after(time.Hour, func() { w.signal(workflows.CancelOrderMessage, cancelOrder) })
	w.run()
	require.ErrorContains(t, late.rejected, "the order is cancelled")
	require.Equal(t, order.StatusCancelled, w.state().Status)
}

func TestACancellationThatComesTooLateIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var late *answer
	w.send = func(kind emailKind) (emailResult, error) {
		if kind == "shipment" {
			late = w.update(workflows.CancelOrderMessage, cancelOrder)
		}
		return emailResult{Status: "sent"}, nil
	}
	w.after(time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.ErrorContains(t, late.rejected, "the order is ship")
	require.Equal(t, order.StatusShipped, w.state().Status)
}

func TestASecondDecisionAboutAHeldOrderIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.decide = held("INSUFFICIENT_CREDIT", 1800)
	var second *answer
	w.after(time.Minute, func() {
		w.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"})
		second = w.update(workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2"})
	})
	w.after(time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
	w.run()
	require.Error(t, second.rejected)
	require.Equal(t, order.StatusShipped, w.state().Status)
}

func TestAnInputNobodyButABridgeCouldMeanIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want  string
		spoil func(*workflows.Input)
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
			w, in := newWorld(t), input()
			test.spoil(&in)
			w.env.ExecuteWorkflow(workflows.OrderFulfillmentType, in)
			require.ErrorContains(t, w.env.GetWorkflowError(), test.want)
			require.Empty(t, w.calls())
		})
	}
}
