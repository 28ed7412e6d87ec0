package reconcile

import (
	"context"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/startertest"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// refusingClient is a client whose server refuses to start some orders and to signal
// others.
type refusingClient struct {
	client.Client
	starts, signals map[string]error
}

func (c refusingClient) ExecuteWorkflow(
	ctx context.Context, options client.StartWorkflowOptions, workflow any, args ...any,
) (client.WorkflowRun, error) {
	if err := c.starts[options.ID]; err != nil {
		return nil, err
	}
	return c.Client.ExecuteWorkflow(ctx, options, workflow, args...)
}

func (c refusingClient) SignalWorkflow(ctx context.Context, workflowID, runID, name string, message any) error {
	if err := c.signals[workflowID]; err != nil {
		return err
	}
	return c.Client.SignalWorkflow(ctx, workflowID, runID, name, message)
}

func aRefusedRemedy(t *testing.T) {
	refused, changed, full, fine := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: []store.Target{
		{Stream: refused, Revision: 0}, {Stream: changed, Revision: 0}, {Stream: full, Revision: 1}, {Stream: fine, Revision: 0},
	}}, 0)
	h.Run()
	for _, id := range []string{refused, changed, full, fine} {
		h.place(id)
	}
	h.awaitStatus(full, order.StatusFulfilling)
	h.Append(full, startertest.NewEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"}))
	server := refusingClient{
		h.temporal,
		map[string]error{refused: serviceerror.NewInvalidArgument("it is too long"), changed: bridge.ErrRunChanged},
		map[string]error{full: serviceerror.NewInvalidArgument("exceeded workflow execution limit for signal events")},
	}

	found := h.reconcile(fixing, func(r *reconciliation) { r.temporal, r.router.Temporal = server, server })
	require.Equal(t, []int{3, 1, 1, 3}, []int{found.Missing, found.Undelivered, found.Fixed, found.Left}, "%+v", found.Differences)
	details := map[string]string{}
	for _, d := range found.Differences {
		require.Equal(t, d.OrderID == fine, d.Fixed)
		details[d.OrderID] = d.Detail
	}
	require.Contains(t, details[refused], "REFUSED: it is too long")
	require.Contains(t, details[changed], "it changed while it was being repaired")
	require.Contains(t, details[full], "its workflow accepts no more messages for now")
	require.Equal(t, workflowOpen, h.describe(fine))
	require.Equal(t, workflowNone, h.describe(workflows.RepairID(full)))

	found = h.reconcile(fixing) // the server accepts them now
	require.Zero(t, found.Left, "%+v", found.Differences)
	h.awaitStatus(full, order.StatusCancelled)
}

func TestStart_Codec(t *testing.T) {
	t.Parallel()
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	codec := converter.NewZlibCodec(converter.ZlibCodecOptions{AlwaysEncode: true})
	options := client.Options{
		HostPort: servers.Temporal(t), Namespace: h.namespace, Logger: slog.New(slog.DiscardHandler),
		DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), codec),
	}
	temporal, err := client.DialContext(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	r := newReconciliation(Options{
		Temporal: temporal, TemporalOptions: options, Events: h.Events, Rows: h.rows, Logger: slog.New(slog.DiscardHandler),
	})
	placed, err := h.orders.FindPlaced(t.Context(), h.place(startertest.NewOrderID()))
	require.NoError(t, err)
	require.NoError(t, r.start(t.Context(), placed))
	require.NoError(t, r.start(t.Context(), placed)) // as if the starter had started it already
}
