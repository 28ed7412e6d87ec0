package workflows_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// attribute returns a search attribute of the order as JSON, as the server shows it, or
// an empty text.
func (o *orderOnServer) attribute(name string) string {
	o.t.Helper()
	return strings.TrimSpace(string(o.describe().GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()[name].GetData()))
}

// startConfused starts the order with the search attributes of another one.
func (o *orderOnServer) startConfused() {
	o.t.Helper()
	wrong := o.input()
	wrong.CustomerID, wrong.Total = "customer-of-another", order.Money{Minor: 1, Currency: "EUR"}
	_, err := o.client.ExecuteWorkflow(o.t.Context(), client.StartWorkflowOptions{
		ID: o.id, TaskQueue: o.queue, TypedSearchAttributes: wrong.SearchAttributes(),
	}, workflows.OrderFulfillmentType, o.input())
	require.NoError(o.t, err)
}

func (o *orderOnServer) requireAttributes(status order.Status) {
	o.t.Helper()
	o.eventually("the search attributes are set again", func() bool { return o.attribute("CustomerId") == `"`+customerID+`"` })
	require.Equal(o.t, `"USD"`, o.attribute("Currency"))
	require.Equal(o.t, "488549", o.attribute("OrderTotalMinor"))
	require.Equal(o.t, `"`+string(status)+`"`, o.attribute(workflows.StatusAttribute))
	require.Contains(o.t, []string{"", "null"}, o.attribute(workflows.StuckAttribute))
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	t.Run("sets the search attributes again", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		o.startConfused()
		o.awaitStatus(order.StatusFulfilling)
		require.Equal(t, `"customer-of-another"`, o.attribute("CustomerId"))
		o.signal(workflows.RefreshSignal, nil)
		o.requireAttributes(order.StatusFulfilling)
		o.signal(workflows.RefreshSignal, map[string]string{"any": "payload"}) // twice is harmless, whatever the payload
		o.signal(workflows.RecordShipmentMessage, shipment)
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
		o.requireAttributes(order.StatusShipped)
		o.record("refreshed-twice-and-shipped", "")
	})
	t.Run("leaves a hidden total out", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		in := o.input()
		in.TotalHidden = true
		confused := in
		confused.CustomerID = "customer-of-another"
		_, err := o.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: o.id, TaskQueue: o.queue, TypedSearchAttributes: confused.SearchAttributes(),
		}, workflows.OrderFulfillmentType, in)
		require.NoError(t, err)
		o.awaitStatus(order.StatusFulfilling)
		o.signal(workflows.RefreshSignal, nil)
		o.eventually("the search attributes are set again", func() bool { return o.attribute("CustomerId") == `"`+customerID+`"` })
		o.signal(workflows.RecordShipmentMessage, shipment)
		_, err = o.result()
		require.NoError(t, err)
		require.Empty(t, o.attribute("OrderTotalMinor"))
		require.Equal(t, `"shipped"`, o.attribute(workflows.StatusAttribute))
		o.record("total-hidden-and-shipped", "")
	})
	t.Run("reaches an order that ends in the same workflow task", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.startWorker()
		o.startConfused()
		o.awaitStatus(order.StatusFulfilling)
		o.stopWorker()
		o.signal(workflows.RecordShipmentMessage, shipment)
		o.signal(workflows.RefreshSignal, nil)
		o.startWorker()
		_, err := o.result()
		require.NoError(t, err)
		o.requireAttributes(order.StatusShipped)
		o.record("refreshed-while-it-ends", "")
	})
}
