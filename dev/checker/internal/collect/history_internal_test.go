package collect

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// recorded reads a history written by the real server.
func recorded(t *testing.T, name string) []*historypb.HistoryEvent {
	t.Helper()
	file, err := os.Open("../../../../workflows/testdata/histories/" + name + ".json")
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	read, err := client.HistoryFromJSON(file, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return read.GetEvents()
}

func TestHistory_Run(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status    facts.RunStatus
		attribute string
		outcome   *facts.Outcome
	}{
		"waiting-for-shipment": {facts.RunOpen, "fulfilling", nil},
		"on-hold":              {facts.RunOpen, "on-hold", nil},
		"shipped":              {facts.RunCompleted, "shipped", &facts.Outcome{Status: order.StatusShipped, Email: "sent"}},
		"rejected": {facts.RunCompleted, "rejected",
			&facts.Outcome{Status: order.StatusRejected, Reason: order.ReasonCurrencyMismatch, Email: "sent"}},
		"cancelled-natively": {facts.RunCanceled, "cancelled",
			&facts.Outcome{Status: order.StatusCancelled, Reason: order.ReasonCancelled, Email: "sent"}},
		"order-gone": {facts.RunFailed, "cancelled",
			&facts.Outcome{Status: order.StatusCancelled, Reason: order.ReasonOrderGone, Email: "none"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{run: facts.Run{Status: facts.RunOpen}}
			for _, e := range recorded(t, name) {
				require.NoError(t, h.take(e, NewPIIMarkers()))
			}
			require.Equal(t, "OrderFulfillment", h.workflowType)
			require.Equal(t, test.status, h.run.Status)
			require.Equal(t, test.attribute, h.run.OrderStatus)
			require.Equal(t, test.outcome, h.run.Outcome)
			require.NotEmpty(t, h.run.Chain)
			require.NotEmpty(t, h.run.SourceEventID)
			require.Equal(t, h.run.SourceEventID, h.run.Input.SourceEventID)
			require.NotEmpty(t, h.run.Input.CustomerID)
			require.Positive(t, h.run.Input.Total.Minor)
			require.Empty(t, h.leaks)
		})
	}
}

func TestHistory_PersonalData(t *testing.T) {
	t.Parallel()
	events := recorded(t, "shipped")
	var h history
	for _, e := range events {
		require.NoError(t, h.take(e, NewPIIMarkers()))
	}
	markers := NewPIIMarkers()
	markers.Add(h.run.Input.CustomerID) // stands in the input, in the memo's neighbourhood and in activities' inputs
	h = history{}
	for _, e := range events {
		require.NoError(t, h.take(e, markers))
	}
	require.Contains(t, h.leaks, "event 1 WorkflowExecutionStarted")
}

func TestOrderOf(t *testing.T) {
	t.Parallel()
	require.Equal(t, "order-a-b.1", orderOf("OrderSettlement", "settlement-order-a-b.1-17"))
	require.Equal(t, "order-a-b.1", orderOf("OrderRepair", "repair-order-a-b.1"))
	require.Equal(t, "order-a-b.1", orderOf("OrderEmail", "email-order-a-b.1-confirmation"))
	require.Equal(t, "order-a-b.1", orderOf("OrderFulfillment", "order-a-b.1"))
}
