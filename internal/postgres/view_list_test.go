package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

// insertViewOrder writes an order into the view as the projector does, by one statement
// that inserts or updates.
const insertViewOrder = `
INSERT INTO customer_order (order_id, customer_id, status, reason, total_minor, currency, credit, carrier, tracking_number,
    placed_at, updated_at, order_revision, credit_revision, fulfillment_revision)
VALUES ($1, $2, $3, $4, 100, 'USD', 'none', '', '', $5, $6, 0, -1, -1)
ON CONFLICT (order_id) DO UPDATE SET status = excluded.status, reason = excluded.reason, updated_at = excluded.updated_at`

type listRig struct {
	*world
	view *postgres.CustomerView
}

func newListRig(t *testing.T) listRig {
	t.Helper()
	w := newWorldToChange(t, postgres.Config{})
	return listRig{world: w, view: postgres.NewCustomerView(w.Pool)}
}

var listBegin = time.Date(2026, 1, 1, 10, 30, 0, 0, time.UTC)

// put writes an order; the time of placing 0 means that it is not known.
func (r listRig) put(id, customer string, status order.Status, reason order.Reason, placed int) {
	r.t.Helper()
	var at *time.Time
	if placed > 0 {
		when := listBegin.Add(time.Duration(placed) * time.Minute)
		at = &when
	}
	require.NoError(r.t, r.exec(insertViewOrder, id, customer, status, reason, at, listBegin.Add(time.Duration(placed)*time.Minute)))
}

// pages reads a list to its end, limit orders at a time, and returns the ids of each page.
func (r listRig) pages(f postgres.OrderFilter, limit int, between func(page int)) (pages []string) {
	r.t.Helper()
	for {
		page, err := r.view.ListOrders(r.t.Context(), f, limit)
		require.NoError(r.t, err)
		var ids []string
		for _, o := range page.Orders {
			ids = append(ids, strings.TrimPrefix(o.OrderID, "order-"))
		}
		if len(ids) > 0 {
			f.After = postgres.OrderPlace{PlacedAt: page.Orders[len(ids)-1].PlacedAt, OrderID: page.Orders[len(ids)-1].OrderID}
		}
		pages = append(pages, strings.Join(ids, " "))
		if !page.More {
			return pages
		}
		between(len(pages))
	}
}

func (r listRig) all(f postgres.OrderFilter) string {
	r.t.Helper()
	return strings.Join(r.pages(f, 2, func(int) {}), " ")
}

func TestListOrders(t *testing.T) {
	r := newListRig(t)
	r.put("order-a", "c-1", order.StatusRejected, order.ReasonInsufficientCredit, 1)
	r.put("order-b", "c-1", order.StatusOnHold, order.ReasonInsufficientCredit, 2)
	r.put("order-c", "c-2", order.StatusFulfilling, "", 3)
	r.put("order-d", "c-2", order.StatusFulfilling, "", 3)
	r.put("order-e", "c-2", order.StatusShipped, "", 4)
	r.put("order-f", "c-3", order.StatusPending, "", 0)
	r.put("order-g", "c-3", order.StatusPending, "", 0)
	for want, filter := range map[string]postgres.OrderFilter{
		"e d c b a g f": {},
		"d c":           {Status: order.StatusFulfilling},
		"g f":           {Status: order.StatusPending},
		"b a":           {Reason: order.ReasonInsufficientCredit},
		"a":             {Reason: order.ReasonInsufficientCredit, Status: order.StatusRejected},
		"e d c":         {CustomerID: "c-2"},
		"e":             {CustomerID: "c-2", Status: order.StatusShipped},
		"b":             {CustomerID: "c-1", Reason: order.ReasonInsufficientCredit, PlacedAfter: listBegin.Add(time.Minute)},
		"e d c b":       {PlacedAfter: listBegin.Add(time.Minute)},
		"":              {CustomerID: "c-4"},
	} {
		require.Equal(t, want, r.all(filter), "%+v", filter)
	}
}

// shipBy sets when an order should have shipped, in a row of its own with a status.
func (r listRig) shipBy(id string, status order.Status, at any) {
	r.t.Helper()
	require.NoError(r.t, r.exec(`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at, ship_by)
		VALUES ($1, 'c-1', 'fulfilling', 1, 'USD', 'e', now(), $2::timestamptz)`, id, at))
	require.NoError(r.t, r.exec("UPDATE order_fulfillment SET status = $2, carrier = nullif($3, ''), tracking_number = nullif($3, '') WHERE order_id = $1",
		id, status, map[bool]string{true: "DHL"}[status == order.StatusShipped]))
}

func TestListOrders_Late(t *testing.T) {
	r := newListRig(t)
	past, future := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	r.put("order-a", "c-1", order.StatusFulfilling, "", 1)
	r.put("order-b", "c-1", order.StatusFulfilling, "", 2)
	r.put("order-c", "c-2", order.StatusFulfilling, "", 3)
	r.put("order-d", "c-2", order.StatusFulfilling, "", 4)
	r.put("order-e", "c-2", order.StatusShipped, "", 5)
	r.put("order-f", "c-2", order.StatusFulfilling, "", 6)
	r.put("order-g", "c-2", order.StatusPending, "", 0)
	r.put("order-h", "c-2", order.StatusPending, "", 7) // without a row
	r.shipBy("order-a", order.StatusFulfilling, past)
	r.shipBy("order-b", order.StatusFulfilling, past)
	r.shipBy("order-c", order.StatusFulfilling, past)
	r.shipBy("order-d", order.StatusFulfilling, future)
	r.shipBy("order-e", order.StatusShipped, past)
	r.shipBy("order-f", order.StatusFulfilling, nil)
	r.shipBy("order-g", order.StatusFulfilling, past) // the view is behind
	for want, filter := range map[string]postgres.OrderFilter{
		"c b a g": {Late: true},
		"c b a":   {Late: true, Status: order.StatusFulfilling},
		"b a":     {Late: true, CustomerID: "c-1"},
		"c b":     {Late: true, PlacedAfter: listBegin.Add(time.Minute)},
		"":        {Late: true, Reason: order.ReasonCancelled},
		"a g":     {Late: true, After: postgres.OrderPlace{PlacedAt: listBegin.Add(2 * time.Minute), OrderID: "order-b"}},
	} {
		require.Equal(t, want, r.all(filter), "%+v", filter)
	}
}

func TestListOrders_StableUnderWrites(t *testing.T) {
	r := newListRig(t)
	for n := range 6 {
		r.put(fmt.Sprintf("order-%d", n), "c-1", order.StatusFulfilling, "", 10+n)
	}
	pages := r.pages(postgres.OrderFilter{CustomerID: "c-1"}, 2, func(page int) {
		r.put(fmt.Sprintf("order-new-%d", page), "c-1", order.StatusPending, "", 100+page) // newer than every page
		r.put("order-2", "c-1", order.StatusShipped, "", 12)
		r.put("order-5", "c-1", order.StatusShipped, "", 15) // listed already
	})
	require.Equal(t, []string{"5 4", "3 2", "1 0"}, pages, "no order twice, and none left out")
	require.Equal(t, "new-2 new-1 5 4 3 2 1 0", r.all(postgres.OrderFilter{}))
}

func TestListOrders_UsesIndex(t *testing.T) {
	r := newListRig(t)
	require.NoError(t, r.exec(`
		INSERT INTO customer_order SELECT 'order-' || n, 'c-' || n % 50, (ARRAY['pending', 'on-hold', 'shipped', 'rejected'])[n % 4 + 1],
			CASE n % 4 WHEN 3 THEN 'HOLD_EXPIRED' WHEN 1 THEN 'INSUFFICIENT_CREDIT' ELSE '' END, 1, 'USD', 'none', '', '',
			now() - n * interval '1 minute', now(), 0, -1, -1 FROM generate_series(1, 20000) AS n`))
	require.NoError(t, r.exec(`
		INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at, ship_by)
		SELECT 'order-' || n, 'c-' || n % 50, 'fulfilling', 1, 'USD', 'e', now(), now() + (n - 20) * interval '1 minute'
		FROM generate_series(1, 20000) AS n`))
	require.NoError(t, r.exec("ANALYZE customer_order, order_fulfillment"))
	after := postgres.OrderPlace{PlacedAt: time.Now().Add(-time.Hour), OrderID: "order-x"}
	for name, filter := range map[string]postgres.OrderFilter{
		"all": {}, "status": {Status: order.StatusShipped}, "page": {After: after}, "since": {PlacedAfter: time.Now().Add(-time.Hour)},
		"reason": {Reason: order.ReasonHoldExpired}, "status and reason": {Reason: order.ReasonInsufficientCredit, Status: order.StatusOnHold},
		"customer": {CustomerID: "c-7"}, "customer's page": {CustomerID: "c-7", After: after, Status: order.StatusShipped},
		"late": {Late: true}, "customer's late": {Late: true, CustomerID: "c-7", After: after},
	} {
		statement, arguments := filter.Explained(50)
		plan := strings.Join(r.rows("EXPLAIN "+statement, arguments), "\n")
		require.NotContains(t, plan, "Seq Scan", name)
		require.Contains(t, plan, "Index Scan", name)
		if filter.CustomerID == "" && filter.PlacedAfter.IsZero() { // the merge of the statuses sorts one page of each
			require.LessOrEqual(t, strings.Count(plan, "Sort Key"), 1, name)
		}
	}
	require.NotContains(t, strings.Join(r.rows("EXPLAIN "+postgres.SelectLongestHeld, 10), "\n"), "Sort")
	require.NoError(t, r.exec("SET enable_seqscan = off"))
	for _, statement := range []string{postgres.SelectUnknownEmails, postgres.CountUnknownEmails} {
		require.Contains(t, strings.Join(r.rows("EXPLAIN "+statement, 10), "\n"), "email_delivery_open")
	}
}

// counted compares the counts of the view with its orders.
func (r listRig) counted(t require.TestingT) {
	stats, err := r.view.OrderStats(r.t.Context(), listBegin.Add(-24*time.Hour), listBegin.Add(24*time.Hour))
	require.NoError(t, err)
	var got []string
	for _, status := range view.Statuses() {
		if n := stats.Statuses[status]; n > 0 {
			got = append(got, fmt.Sprintf("%s|%d", status, n))
		}
	}
	slices.Sort(got)
	want := r.rows("SELECT status, count(*) FROM customer_order GROUP BY status")
	slices.Sort(want)
	require.Equal(t, strings.Join(want, "\n"), strings.Join(got, "\n"))
	var placed, ended int64
	for _, hour := range stats.Hours {
		placed += hour.Placed
		ended += hour.Shipped + hour.Rejected + hour.Cancelled
	}
	require.Equal(t, r.rows("SELECT count(*) FROM customer_order"), []string{fmt.Sprint(placed)})
	require.Equal(t, r.rows("SELECT count(*) FROM customer_order WHERE status IN ('shipped', 'rejected', 'cancelled')"), []string{fmt.Sprint(ended)})
}

func TestOrderStats_CountsEveryChange(t *testing.T) {
	r := newListRig(t)
	rapid.Check(t, func(rt *rapid.T) {
		require.NoError(rt, r.exec("DELETE FROM customer_order"))
		require.NoError(rt, r.exec("TRUNCATE customer_order_count, customer_order_hour"))
		ended := map[string]bool{}
		for range rapid.IntRange(1, 20).Draw(rt, "writes") {
			id := fmt.Sprintf("order-%d", rapid.IntRange(0, 5).Draw(rt, "order"))
			if status := rapid.SampledFrom(view.Statuses()).Draw(rt, "status"); !ended[id] {
				r.put(id, "c-1", status, "", rapid.IntRange(1, 300).Draw(rt, "minute"))
				ended[id] = status.Final()
			}
		}
		r.counted(rt)
	})
}

func TestOrderStats_HoursAndHeld(t *testing.T) {
	r := newListRig(t)
	r.put("order-1", "c-1", order.StatusPending, "", 1)
	r.put("order-1", "c-1", order.StatusShipped, "", 61)
	r.put("order-2", "c-1", order.StatusOnHold, order.ReasonInsufficientCredit, 5)
	r.put("order-3", "c-1", order.StatusOnHold, order.ReasonInsufficientCredit, 4)
	stats, err := r.view.OrderStats(t.Context(), listBegin.Add(-time.Hour), listBegin.Add(time.Hour))
	require.NoError(t, err)
	require.Equal(t, map[order.Status]int64{order.StatusShipped: 1, order.StatusOnHold: 2, order.StatusPending: 0}, stats.Statuses)
	ten := time.Date(2026, 1, 1, 10, 0, 0, 0, time.UTC)
	require.Equal(t, map[time.Time]postgres.OrderHour{ten: {Placed: 3}, ten.Add(time.Hour): {Shipped: 1}}, stats.Hours)
	attention, err := r.view.FindAttention(t.Context(), 1, 10)
	require.NoError(t, err)
	require.Len(t, attention.Held, 1)
	require.Equal(t, "order-3", attention.Held[0].OrderID, "it was placed first")
	require.Zero(t, attention.Emails)

	require.NoError(t, r.exec(`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at)
		VALUES ('order-1', 'c-1', 'fulfilling', 1, 'USD', 'e', now())`))
	require.NoError(t, r.exec(`INSERT INTO email_delivery (order_id, kind, recipient, status, attempt, unknown_attempts, unknown_at)
		VALUES ('order-1', 'confirmation', 'ada@example.com', 'unknown', 2, 2, now())`))
	attention, err = r.view.FindAttention(t.Context(), 1, 10)
	require.NoError(t, err)
	require.EqualValues(t, 1, attention.Emails)
	require.Len(t, attention.Unknown, 1)
	require.Equal(t, "order-1", attention.Unknown[0].OrderID)
}

func TestMigrate_CountsWhatIsThere(t *testing.T) {
	r := newListRig(t)
	r.put("order-1", "c-1", order.StatusPending, "", 1)
	require.NoError(t, r.exec("DROP TRIGGER customer_order_inserted ON customer_order; DROP TRIGGER customer_order_updated ON customer_order"))
	r.put("order-1", "c-1", order.StatusShipped, "", 1)
	r.put("order-2", "c-1", order.StatusFulfilling, "", 2)
	require.NoError(t, r.exec("TRUNCATE customer_order_count, customer_order_hour"))
	require.NoError(t, r.exec("SELECT customer_order_count_begin('')"))
	r.counted(t)
	r.put("order-2", "c-1", order.StatusShipped, "", 3)
	r.counted(t)
}
