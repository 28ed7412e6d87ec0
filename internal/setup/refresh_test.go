package setup_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc/codes"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/setup"
	"orderflow/workflows"
)

// startWorker starts a worker whose orders all wait for their shipment.
func (n *namespace) startWorker() {
	n.t.Helper()
	w := worker.New(n.Client, workflows.TaskQueue, worker.Options{})
	workflows.Register(w)
	w.RegisterActivityWithOptions(func(_ context.Context, in activities.ReserveCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReserved, Amount: in.Amount}, nil
	}, activity.RegisterOptions{Name: "ReserveCredit"})
	w.RegisterActivityWithOptions(func(context.Context, activities.StartFulfillmentInput) (activities.Fulfillment, error) {
		return activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusSent}, nil
	}, activity.RegisterOptions{Name: "StartFulfillment"})
	require.NoError(n.t, w.Start())
	n.t.Cleanup(w.Stop)
}

// startOrder starts an order of a customer, with its search attributes or without any.
func (n *namespace) startOrder(customer string, bare bool) {
	n.t.Helper()
	id := "order-" + strings.ReplaceAll(uuid.NewString(), "-", "")
	in := workflows.Input{
		OrderID: id, CustomerID: customer, Total: order.Money{Minor: 4200, Currency: "EUR"}, PlacedAt: time.Now(),
		Source: order.Source{Stream: id, EventID: uuid.NewString()},
	}
	options := client.StartWorkflowOptions{ID: id, TaskQueue: workflows.TaskQueue, TypedSearchAttributes: in.SearchAttributes()}
	if bare {
		options.TypedSearchAttributes = temporal.SearchAttributes{}
	}
	require.Eventually(n.t, func() bool { // new search attributes are known everywhere a little later
		_, err := n.ExecuteWorkflow(n.t.Context(), options, workflows.OrderFulfillmentType, in)
		return err == nil
	}, patience, 100*time.Millisecond)
}

// awaitFound waits until a query finds so many open workflows.
func (n *namespace) awaitFound(count int64, query string) {
	n.t.Helper()
	require.Eventually(n.t, func() bool {
		found, err := n.CountWorkflow(n.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: n.name, Query: "ExecutionStatus = 'Running' AND " + query,
		})
		return err == nil && found.GetCount() == count
	}, patience, 50*time.Millisecond, fmt.Sprintf("%d with %s", count, query))
}

const everything = "OrderStatus = 'fulfilling' AND Currency = 'EUR' AND OrderTotalMinor = 4200 AND OrderStuck IS NULL"

func (n *namespace) setUp() (*setup.Report, string) {
	n.t.Helper()
	return set(n.t, setup.Options{Temporal: n.options()})
}

func TestTemporal_OpenOrders(t *testing.T) {
	t.Parallel()
	const step = "temporal, search attributes of open orders: "
	t.Run("that lack search attributes get them", func(t *testing.T) {
		t.Parallel()
		ns := newNamespace(t)
		ns.setUp()
		ns.startWorker()
		ns.startOrder("a", true)
		ns.startOrder("b", false)
		ns.awaitFound(1, "CustomerId IS NULL")
		ns.awaitFound(1, "CustomerId = 'b' AND "+everything)
		report, lines := set(t, setup.Options{Temporal: ns.options(), DryRun: true})
		require.Contains(t, lines, step+"would change: 1 orders would be told to set them again\n")
		require.Zero(t, report.Count(setup.Changed), lines)
		ns.awaitFound(1, "CustomerId IS NULL")
		_, lines = ns.setUp()
		require.Contains(t, lines, step+"changed: 1 orders were told to set them again\n", "the other one has them")
		ns.awaitFound(1, "CustomerId = 'a' AND "+everything)
		ns.awaitFound(0, "CustomerId IS NULL")
		_, lines = ns.setUp()
		require.Contains(t, lines, step+"already there: \n")
	})
	t.Run("get search attributes that setup creates again", func(t *testing.T) {
		t.Parallel()
		ns := newNamespace(t)
		ns.setUp()
		ns.startWorker()
		ns.startOrder("a", false)
		ns.awaitFound(1, "CustomerId = 'a' AND "+everything)
		ns.remove("OrderStatus", "CustomerId", "OrderStuck")
		_, lines := ns.setUp()
		require.Contains(t, lines, "temporal, search attribute OrderStuck: created: Keyword\n")
		require.Contains(t, lines, step+"changed: 1 orders were told to set them again\n")
		ns.awaitFound(1, "CustomerId = 'a' AND "+everything)
	})
	t.Run("lose the values of another search attribute that was removed", func(t *testing.T) {
		t.Parallel()
		ns := newNamespace(t)
		ns.setUp()
		ns.startWorker()
		ns.startOrder("a", false)
		ns.awaitFound(1, "CustomerId = 'a' AND "+everything)
		ns.remove("OrderStatus", "CustomerId", "OrderStuck", "Currency")
		for _, name := range []string{"OrderStuck", "Currency", "OrderStatus", "CustomerId"} { // the store's columns may change places
			ns.add(name, enums.INDEXED_VALUE_TYPE_KEYWORD)
		}
		ns.awaitFound(0, "CustomerId = 'a' AND "+everything)
		o := ns.options()
		o.Refresh = true
		_, lines := set(t, setup.Options{Temporal: o})
		require.Contains(t, lines, step+"changed: 1 orders were told to set them again\n")
		ns.awaitFound(1, "CustomerId = 'a' AND "+everything)
	})
	t.Run("are told from where an earlier run stopped", func(t *testing.T) {
		t.Parallel()
		ns := newNamespace(t)
		ns.setUp()
		ns.startOrder("a", false)
		between := time.Now()
		ns.startOrder("b", false)
		ns.awaitFound(2, "Currency = 'EUR'")
		o := ns.options()
		o.RefreshBefore = between
		_, lines := set(t, setup.Options{Temporal: o})
		require.Contains(t, lines, step+"changed: 1 orders were told to set them again\n")
		o.Refresh, o.RefreshBefore = true, time.Time{}
		o.Client = ns.dial(map[string]codes.Code{"SignalWorkflowExecution": codes.PermissionDenied})
		report, lines := set(t, setup.Options{Temporal: o})
		require.Contains(t, lines, step+"failed: 0 orders were told to set them again, and not the rest: ")
		require.Equal(t, []string{"orderflow setup --only temporal --refresh"}, todo(report))
	})
}
