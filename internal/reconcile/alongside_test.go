package reconcile

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// alongsideTheBridge compares repeatedly while orders are placed, shipped and canceled.
// They arrive as fast as the bridge takes them, so that none of them waits for it as long
// as the grace.
func alongsideTheBridge(t *testing.T) {
	const grace, ahead, most = 10 * time.Second, 5, 300
	h := newReconcileRig(t, kurrentsim.Options{ProjectionDelay: 20 * time.Millisecond}, 0)
	h.Run()
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
			if orders < most && orders-h.Count(bridge.Started) < ahead {
				id := startertest.NewOrderID()
				if !assert.NoError(t, h.TryAppend(id, orderFor(id, "customer-of-"+id, "USD100.00"))) {
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
	h.AwaitCounts(map[bridge.Result]int{bridge.Started: orders}) // the bridge started all of them
	require.Zero(t, h.Count(bridge.Duplicate))
	h.awaitRuns(orders)
}

func requireNoDifference(t *testing.T, found *Findings) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, found.Print(&text))
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

// Only a hash is kept of a checked order: memory grows by less than 64 bytes for each.
// With 100,000 orders it was 48 bytes.
func TestReconcile_Memory(t *testing.T) {
	orders := 10_000
	if testing.Short() {
		orders = 2_000
	}
	h := newReconcileRig(t, kurrentsim.Options{DataDir: t.TempDir()}, 0)
	h.placeMany(orders)
	var before, peak uint64
	visited := 0
	began := time.Now()
	found := h.reconcile(func(r *reconciliation) {
		inner := r.rows
		r.rows = heapMeter{Rows: inner, each: func() {
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
	Rows
	each func()
}

func (m heapMeter) FindFulfillments(ctx context.Context, ids []string) (rows []fulfillment.Row, err error) {
	m.each()
	return m.Rows.FindFulfillments(ctx, ids)
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
			return h.TryAppend(id, orderFor(id, "customer-7", "USD100.00"))
		})
	}
	require.NoError(h.t, appending.Wait())
}
