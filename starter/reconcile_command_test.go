package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/subcommand"
	"orderflow/workflows"
)

// alongsideTheBridge compares repeatedly while orders are placed, shipped and canceled.
// They arrive as fast as the bridge takes them, so that none of them waits for it as long
// as the grace.
func alongsideTheBridge(t *testing.T, c cluster) {
	const grace, ahead, most = 10 * time.Second, 20, 300
	h := newReconcileRig(t, c, kurrentsim.Options{ProjectionDelay: 20 * time.Millisecond}, 0)
	h.run()
	over, ids := make(chan struct{}), make(chan string, 1_000)
	var flowing sync.WaitGroup
	orders := 0
	flowing.Go(func() {
		defer close(ids)
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-over:
				return
			case <-tick.C:
			}
			if orders < most && orders-h.count(resultStarted) < ahead {
				id := newOrderID()
				if !assert.NoError(t, h.tryAppend(id, orderFor(id, "customer-of-"+id, "USD100.00"))) {
					return
				}
				ids <- id
				orders++
			}
		}
	})
	for range 2 {
		flowing.Go(func() {
			for id := range ids {
				h.endRandomly(id)
			}
		})
	}
	end := sync.OnceFunc(func() { close(over); flowing.Wait() })
	defer end()
	began, comparisons, checked := time.Now(), 0, 0
	for range time.Tick(200 * time.Millisecond) {
		if comparisons++; comparisons > 20 && time.Since(began) > 2*grace {
			break
		}
		found := h.reconcile(fixing, func(r *reconciliation) { r.cutoff = time.Now().Add(-grace) })
		requireNoDifference(t, found)
		checked += found.Checked
	}
	end()
	t.Logf("%d comparisons alongside the bridge, of %d orders in the end", comparisons, orders)
	require.Positive(t, checked)
	requireFindings(t, fmt.Sprintf("checked %d  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", orders), h.reconcile(fixing))
	h.awaitCounts(map[result]int{resultStarted: orders}) // the bridge started all of them
	require.Zero(t, h.count(resultDuplicate))
	h.awaitRuns(orders)
}

func requireNoDifference(t *testing.T, found *findings) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, found.print(&text))
	require.Zero(t, found.Missing+found.Extra+found.Held, text.String())
}

// endRandomly ships an order, cancels it, or lets it wait. It runs alongside the test, so
// it must not end it.
func (h *reconcileRig) endRandomly(id string) {
	assert.EventuallyWithT(h.t, func(c *assert.CollectT) {
		require.Equal(c, order.StatusFulfilling, h.rowFor(c, id))
	}, longEnough, 50*time.Millisecond)
	var err error
	switch rand.N(3) {
	case 0: // the message is kept if the order is not ready for it
		err = h.temporal.SignalWorkflow(h.t.Context(), id, "", workflows.RecordShipmentMessage, shipment)
	case 1:
		cancellation := workflows.CancelOrder{Reason: "customer-request"}
		err = h.temporal.SignalWorkflow(h.t.Context(), id, "", workflows.CancelOrderMessage, cancellation)
	}
	assert.NoError(h.t, err)
}

// awaitRuns waits until the list of workflows, which is eventually consistent, has
// exactly want runs of the namespace's orders, and still has a moment later.
func (h *reconcileRig) awaitRuns(want int) {
	h.t.Helper()
	seen := 0 // in a row
	require.EventuallyWithT(h.t, func(c *assert.CollectT) {
		counted, err := h.temporal.CountWorkflow(h.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Query: "WorkflowType = 'OrderFulfillment'",
		})
		require.NoError(c, err)
		if seen++; counted.GetCount() != int64(want) {
			seen = 0
		}
		require.Greater(c, seen, 1, "%d runs are listed, of %d", counted.GetCount(), want)
	}, longEnough, 500*time.Millisecond)
}

// The command runs in the environment of this process, so no other test runs in parallel.
func TestReconcile_Command(t *testing.T) {
	hidden := newOrderID()
	h := newReconcileRig(t, startCluster(t), kurrentsim.Options{HiddenLinks: []store.Target{{Stream: hidden, Revision: 0}}}, 0)
	h.run()
	h.awaitStatus(h.place(newOrderID()), order.StatusFulfilling)
	h.place(hidden)
	t.Setenv("TEMPORAL_ADDRESS", servers.Temporal(t))
	t.Setenv("TEMPORAL_NAMESPACE", h.namespace)
	environ := []string{"KURRENTDB_URL=" + h.url, "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL=" + h.address, "LOG_LEVEL=error"}
	command := func(environ []string, args ...string) (stdout, stderr string, code int) {
		var out, errs bytes.Buffer
		err := run(t.Context(), subcommand.Call{Args: append([]string{"reconcile"}, args...), Environ: environ, Stdout: &out, Stderr: &errs})
		code = exitCode(&errs, err)
		return out.String(), errs.String(), code
	}

	out, errs, code := command(environ)
	require.Zero(t, code, "an order is young at first\n%s", errs)
	require.Equal(t, "checked 0  missing 0  extra 0  held 0  parked 0  fixed 0  left 0\n"+
		"2 orders are younger than the grace and were not checked\n", out)

	out, errs, code = command(environ, "--grace", "0s")
	require.Equal(t, 3, code, errs)
	require.Equal(t, "reconcile: 1 differences left\n", errs)
	require.Contains(t, out, "checked 2  missing 1  extra 0  held 0  parked 0  fixed 0  left 1\n")
	require.Regexp(t, hidden+` +missing +none +- +none +no`, out)

	out, errs, code = command(environ, "--grace=0s", "--fix", "--since", "1h", "-o", "json")
	require.Zero(t, code, errs)
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &got))
	require.NotZero(t, got["seconds"])
	delete(got, "seconds")
	require.Equal(t, map[string]any{
		"checked": 2.0, "young": 0.0, "missing": 1.0, "extra": 0.0, "held": 0.0, "lost": 0.0, "conflict": 0.0, "stuck": 0.0, "undelivered": 0.0, "unlinked": 0.0, "parked": 0.0, "fixed": 1.0, "left": 0.0, "more": 0.0,
		"differences": []any{map[string]any{
			"orderId": hidden, "kind": "missing", "workflow": "none", "row": "", "credit": "none", "detail": "", "fixed": true,
		}},
	}, got)

	out, _, code = command(environ, "--grace=0s", "--since", time.Now().Add(-time.Hour).Format(time.RFC3339))
	require.Zero(t, code)
	require.Contains(t, out, "checked 2  missing 0")

	for name, c := range map[string]struct {
		args   []string
		drop   string
		stderr string
	}{
		"a time that is none":   {[]string{"--since", "yesterday"}, "", "--since: must be a duration such as 24h"},
		"a time to come":        {[]string{"--since", "2999-01-01T00:00:00Z"}, "", "a time in the past"},
		"a grace below zero":    {[]string{"--grace", "-1s"}, "", "--grace: must be from 0s to 1h"},
		"a word too many":       {[]string{"now"}, "", "arguments: reconcile takes no arguments"},
		"another format":        {[]string{"-o", "xml"}, "", "-o: must be table or json"},
		"no database to ask":    {nil, "POSTGRES_URL", "POSTGRES_URL: is required"},
		"no event store to ask": {nil, "KURRENTDB_URL", "KURRENTDB_URL: is required"},
	} {
		kept := []string{}
		for _, variable := range environ {
			if c.drop == "" || !strings.HasPrefix(variable, c.drop+"=") {
				kept = append(kept, variable)
			}
		}
		_, errs, code := command(kept, c.args...)
		require.Equal(t, 2, code, name)
		require.Contains(t, errs, c.stderr, name)
	}

	gone := []string{"POSTGRES_URL=postgres://nobody@127.0.0.1:1/none"}
	_, errs, code = command(append(gone, environ[:2]...))
	require.Equal(t, 1, code, errs)
	out, _, code = command(environ, "--help")
	require.Zero(t, code)
	require.Contains(t, out, "--fix")
}

// Only a hash is kept of a checked order: memory grows by less than 64 bytes for each.
// With 100,000 orders it was 48 bytes.
func TestReconcile_Memory(t *testing.T) {
	orders := 10_000
	if testing.Short() {
		orders = 2_000
	}
	h := newReconcileRig(t, startCluster(t), kurrentsim.Options{DataDir: t.TempDir()}, 0)
	h.placeMany(orders)
	var before, peak uint64
	visited := 0
	began := time.Now()
	found := h.reconcile(func(r *reconciliation) {
		inner := r.rows
		r.rows = heapMeter{fulfillments: inner, each: func() {
			visited++
			if visited%10 != 0 {
				return
			}
			heap := heapInUse()
			if before == 0 {
				before = heap
			}
			peak = max(peak, heap)
		}}
	})
	grown := int64(peak) - int64(before)
	requireFindings(t, fmt.Sprintf("checked %d  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", orders), found)
	t.Logf("%d orders in %s: the heap grew by %d KiB, %d bytes an order", orders, time.Since(began), grown>>10, grown/int64(orders))
	require.Less(t, grown, int64(orders)*64+1<<20)
}

// heapMeter calls each alongside every lookup of a batch.
type heapMeter struct {
	fulfillments
	each func()
}

func (m heapMeter) Fulfillments(ctx context.Context, ids []string) (rows []fulfillment.Row, err error) {
	m.each()
	return m.fulfillments.Fulfillments(ctx, ids)
}

func heapInUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// placeMany appends orders that have shipped, as their rows say.
func (h *reconcileRig) placeMany(orders int) {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.address)
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, conn.Close(context.WithoutCancel(h.t.Context()))) }()
	_, err = conn.Exec(h.t.Context(), `INSERT INTO order_fulfillment
		(order_id, customer_id, status, total_minor, currency, source_event_id, placed_at)
		SELECT 'order-' || n, 'customer-7', 'fulfilling', 24200, 'USD', 'e', now() FROM generate_series(1, $1::int) n`, orders)
	require.NoError(h.t, err)
	_, err = conn.Exec(h.t.Context(), `UPDATE order_fulfillment SET status = 'shipped', carrier = 'DHL', tracking_number = '1'`)
	require.NoError(h.t, err)
	var appending errgroup.Group
	appending.SetLimit(8)
	for n := range orders {
		appending.Go(func() error {
			id := fmt.Sprintf("order-%d", n+1)
			return h.tryAppend(id, orderFor(id, "customer-7", "USD100.00"))
		})
	}
	require.NoError(h.t, appending.Wait())
}
