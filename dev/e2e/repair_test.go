package e2e_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/internal/order"
)

// reconciled runs `orderflow reconcile` with the stack's addresses, as an operator would,
// and returns what it found for an order.
func (s *stackClient) reconciled(t require.TestingT, id string, args ...string) (kind string, fixed bool) {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	command := s.stack.command(ctx, "orderflow", append([]string{"reconcile", "-o", "json", "--grace", "1s"}, args...)...)
	out, err := command.Output() // its exit code is 3 if any difference remains
	var found struct {
		Differences []struct {
			OrderID string `json:"orderId"`
			Kind    string `json:"kind"`
			Fixed   bool   `json:"fixed"`
		} `json:"differences"`
	}
	require.NoError(t, json.Unmarshal(out, &found), "%v", err)
	for _, d := range found.Differences {
		if d.OrderID == id {
			return d.Kind, d.Fixed
		}
	}
	return "", false
}

// It has its own stack: it would also repair the orders that other tests terminate.
func TestReconcile_RepairsTerminatedOrder(t *testing.T) {
	t.Parallel()
	own, err := startStack(t.TempDir(), nil, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop()) })
	s := newStackClientFor(t, own)
	customer := "customer-" + uuid.NewString()
	id := s.place(orderSpec{customer: customer})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	require.NoError(t, s.temporal.TerminateWorkflow(t.Context(), id, "", "by mistake"))

	var kind string
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		kind, _ = s.reconciled(c, id)
		require.NotEmpty(c, kind, "younger than the grace time at first")
	}, patience, time.Second)
	require.Equal(t, "held", kind)
	kind, fixed := s.reconciled(t, id, "--fix")
	require.Equal(t, "held", kind)
	require.True(t, fixed)
	require.Equal(t, []string{"cancelled", "CANCELLED", "TERMINATED"}, s.row(id, "status", "reason", "code"))
	require.Equal(t, []string{"credit-account-opened", "credit-reserved", "credit-released"}, s.credit(customer))
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed("repair-"+id))
	require.ElementsMatch(t, []string{"confirmation", "cancellation"}, kinds(s.mails(id)))
	kind, _ = s.reconciled(t, id, "--fix")
	require.Empty(t, kind, "nothing is left to repair")

	history := s.history("repair-" + id)
	require.NotContains(t, history.String(), "anary", "no personal data in the history")
	record(t, "repaired", history)
}
