package main

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

func TestStartPage(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	held, _ := c.hold()
	page := c.saying("/", "On hold", "left</em>", "Stuck", "Parked events", "Last 24 hours", "placed</figcaption>", "Newest orders")
	require.Contains(t, page, `href="/list?status=on-hold"`)
	require.NotEmpty(t, held)
}

func TestStartPage_WithoutStores(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.lists = broken{err: postgres.ErrUnavailable}
	a.search = newOperations(unsearchable{}, client.DefaultNamespace, a.logger)
	page := newClient(t, a).get("/")
	require.Equal(t, http.StatusOK, page.status)
	for _, words := range []string{"PostgreSQL is unavailable", "search is unavailable", "<b>?</b>"} {
		require.Contains(t, page.body, words)
	}
}

func TestListPage(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	customerID := newCustomerID()
	for range 2 {
		require.Equal(t, http.StatusCreated, c.post("/orders", body(newID(), customerID, nil)).status)
	}
	path := "/list?limit=1&status=pending&reason=&placedAfter=2025-01-01&customerId=" + customerID
	page := c.saying(path, "Pending orders", "Older orders", `<option value="pending" selected>`, `value="2025-01-01"`)
	_, next, _ := strings.Cut(page, `<a href="/list?cursor=`)
	next, _, _ = strings.Cut(next, `"`)
	older := c.get("/list?cursor=" + strings.ReplaceAll(next, "&amp;", "&"))
	require.Equal(t, http.StatusOK, older.status)
	require.NotContains(t, older.body, "Older orders")
	require.Contains(t, older.body, "Newest orders")
	require.Contains(t, older.body, customerID)

	wrong := c.get("/list?placedAfter=yesterday")
	require.Equal(t, http.StatusUnprocessableEntity, wrong.status)
	require.Contains(t, wrong.body, "placedAfter must be a time")
	require.Equal(t, http.StatusBadRequest, c.get("/list?unknown=1").status)
	require.Contains(t, c.get("/list?customerId="+newCustomerID()).body, "No orders.")
}

func TestTimeLeft(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	a := &api{now: func() time.Time { return now }}
	for want, left := range map[string]time.Duration{
		"ends now": -time.Hour, "1 min left": time.Minute, "2 h 5 min left": 125 * time.Minute, "3 days left": 80 * time.Hour, "47 h 0 min left": 47 * time.Hour,
	} {
		require.Equal(t, want, a.timeLeft(now.Add(left)))
	}
	require.Empty(t, a.timeLeft(time.Time{}), "it is not known")
}

func TestOperations(t *testing.T) {
	t.Parallel()
	queue := newID()
	comparing := worker.New(shared.temporal, queue, worker.Options{})
	parked := 2
	comparing.RegisterWorkflowWithOptions(func(workflow.Context) (activities.Reconciled, error) {
		return activities.Reconciled{Parked: &parked, Left: map[string]int{"unlinked": 7}}, nil
	}, workflow.RegisterOptions{Name: workflows.ReconciliationType})
	require.NoError(t, comparing.Start())
	defer comparing.Stop()
	run, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "reconcile-" + queue, TaskQueue: queue}, workflows.ReconciliationType)
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
	id := newID()
	_, err = shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: "none-" + queue, // it stays open
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(workflows.StuckAttribute).ValueSet("release-credit")),
	}, workflows.OrderRepairType)
	require.NoError(t, err)
	defer func() {
		require.NoError(t, shared.temporal.TerminateWorkflow(context.WithoutCancel(t.Context()), id, "", "the test ends"))
	}()

	a := shared.api()
	c := newClient(t, a)
	until(t, func(now teller) { // Temporal's search follows
		a.search = newOperations(shared.temporal, client.DefaultNamespace, a.logger)
		page := c.telling(now).get("/").body
		for _, words := range []string{id + "</a> <em>release credit</em>", "<b>2</b><div><strong>Parked", "<b>7</b><div><strong>Unlinked", "As of the comparison of"} {
			require.Contains(now, page, words)
		}
	})
	_, first := a.search.find(t.Context())
	a.search.temporal = unsearchable{}
	_, again := a.search.find(t.Context())
	require.Equal(t, first, again, "what was found is kept")
	a.search.until = time.Time{}
	stuck, compared := a.search.find(t.Context())
	require.False(t, stuck.Known || compared.Known || compared.Searched)
}

func TestChart(t *testing.T) {
	t.Parallel()
	hours := []statsHour{{OrderHour: postgres.OrderHour{Placed: 0}}, {OrderHour: postgres.OrderHour{Placed: 2}}, {OrderHour: postgres.OrderHour{Placed: 4}}}
	c := chartsOf(hours)[0]
	require.EqualValues(t, 6, c.Total)
	require.Equal(t, []int{1, 20, 40}, []int{c.Bars[0].Height, c.Bars[1].Height, c.Bars[2].Height})
	require.Equal(t, "Orders placed by the hour: 6 in 24 hours, at most 4 in one.", c.Label)
	require.Equal(t, 28, c.Width)
	require.Equal(t, 1, newChart("x", "", hours, func(statsHour) int64 { return 0 }).Bars[1].Height, "an hour without orders has a bar, too")
}

func TestTimeline_HoldOfUnknownEnd(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.place()
	_, err := shared.events.Append(t.Context(), "credit-"+customerID, kurrent.NoStream(),
		event("credit-limit-exceeded", []byte(`{"orderId":"`+id+`","amount":"USD242.00","available":"USD1.00","held":true}`)))
	require.NoError(t, err)
	until(t, func(now teller) {
		list := c.telling(now).list("status=on-hold&customerId=" + customerID)
		require.Len(now, list.Orders, 1)
		require.Nil(now, list.Orders[0].HoldUntil)
	})
	require.Equal(t, http.StatusOK, c.get("/list?status="+string(order.StatusOnHold)).status)
}
