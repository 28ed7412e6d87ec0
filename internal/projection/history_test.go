package projection

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

// orderHistory generates random events of orders, and tracks what the view must contain.
// It derives that from the events it generated, without reading anything back.
type orderHistory struct {
	random    *rand.Rand
	orders    map[string]*expectedOrder
	customers map[string]*expectedCustomer
	names     []string // the orders, in the order they were placed
}

// expectedOrder is an order as the view must contain it.
type expectedOrder struct {
	ID, Customer, Status, Reason, Credit, Carrier string
	Total                                         int64
	published                                     int // domain events so far
}

// expectedCustomer is an account as the view must contain it.
type expectedCustomer struct {
	ID              string
	Limit, Reserved int64
	events          int
}

func newHistory(seed uint64) *orderHistory {
	return &orderHistory{
		random: rand.New(rand.NewPCG(seed, seed)), orders: map[string]*expectedOrder{}, customers: map[string]*expectedCustomer{},
	}
}

// step generates a possible next event and returns it with its stream.
func (h *orderHistory) step() (stream string, event kurrent.NewEvent) {
	if len(h.names) == 0 || h.random.IntN(4) == 0 {
		return h.place()
	}
	o := h.orders[h.names[h.random.IntN(len(h.names))]]
	c := h.customers[o.Customer]
	switch {
	case h.random.IntN(12) == 0:
		return h.noise(o)
	case c.events == 0:
		c.Limit = 100_000
		return h.account(c, "credit-account-opened", map[string]any{"customerId": c.ID, "limit": money(c.Limit)})
	case h.random.IntN(20) == 0:
		c.Limit += 1 + h.random.Int64N(1000)
		return h.account(c, "credit-limit-changed", map[string]any{"customerId": c.ID, "limit": money(c.Limit)})
	default:
		return h.advance(o, c)
	}
}

// place generates a new order of one of a few customers.
func (h *orderHistory) place() (string, kurrent.NewEvent) {
	o := &expectedOrder{
		ID: fmt.Sprintf("order-%d", len(h.names)), Customer: fmt.Sprintf("c-%d", h.random.IntN(5)), Status: "pending", Credit: "none",
		Total: 1210,
	}
	h.orders[o.ID] = o
	h.names = append(h.names, o.ID)
	if h.customers[o.Customer] == nil {
		h.customers[o.Customer] = &expectedCustomer{ID: o.Customer}
	}
	return o.ID, placed(o.ID, o.Customer)
}

// noise generates an event that must not affect the view: a second order with the same
// id, an invalid event, or one of another kind.
func (h *orderHistory) noise(o *expectedOrder) (string, kurrent.NewEvent) {
	switch h.random.IntN(5) {
	case 0:
		return o.ID, placed(o.ID, "c-somebody-else")
	case 1:
		return o.ID, newEvent("order-paid", map[string]any{"orderId": o.ID, "amount": money(o.Total)})
	case 2:
		return "credit-" + o.Customer, newEvent("credit-account-renamed", map[string]any{})
	case 3:
		return "fulfillment-" + o.ID, newEvent("order-shipped", map[string]any{"orderId": "order-of-another", "status": "shipped"})
	default:
		return "cart-" + o.ID, newEvent("item-added", map[string]any{})
	}
}

// advance generates the next event of an order.
func (h *orderHistory) advance(o *expectedOrder, c *expectedCustomer) (string, kurrent.NewEvent) {
	switch {
	case o.Status == "pending" && o.Credit == "none" && h.random.IntN(4) == 0:
		o.Credit, o.Status, o.Reason = "held", "on-hold", "INSUFFICIENT_CREDIT"
		return h.account(c, "credit-limit-exceeded", map[string]any{
			"orderId": o.ID, "amount": money(o.Total), "available": money(0), "held": true,
		})
	case o.Status == "pending" && o.Credit == "none", o.Status == "on-hold":
		o.Credit, o.Status, o.Reason = "reserved", "pending", ""
		c.Reserved += o.Total
		return h.account(c, "credit-reserved", map[string]any{"orderId": o.ID, "amount": money(o.Total)})
	case o.Status == "pending":
		return h.publish(o, "order-approved", "fulfilling", "", "")
	case o.Status == "fulfilling" && o.Credit == "reserved" && h.random.IntN(3) == 0:
		o.Credit = "released"
		c.Reserved -= o.Total
		return h.account(c, "credit-released", map[string]any{"orderId": o.ID, "amount": money(o.Total), "reason": "CANCELLED"})
	case o.Status == "fulfilling" && o.Credit == "released":
		return h.publish(o, "order-cancelled", "cancelled", "CANCELLED", "")
	case o.Status == "fulfilling":
		return h.publish(o, "order-shipped", "shipped", "", "DHL")
	default:
		return h.place()
	}
}

func (h *orderHistory) account(c *expectedCustomer, kind string, data map[string]any) (string, kurrent.NewEvent) {
	c.events++
	return "credit-" + c.ID, newEvent(kind, data)
}

func (h *orderHistory) publish(o *expectedOrder, kind, status, reason, carrier string) (string, kurrent.NewEvent) {
	o.Status, o.Reason, o.Carrier = status, reason, carrier
	o.published++
	return "fulfillment-" + o.ID, newEvent(kind, map[string]any{
		"orderId": o.ID, "customerId": o.Customer, "status": status, "reason": reason, "total": money(o.Total), "carrier": carrier,
		"trackingNumber": "", "revision": o.published - 1, "old": nil, "new": map[string]any{"placed_at": "2026-01-01T00:00:00Z"},
	})
}

func placed(id, customer string) kurrent.NewEvent {
	return newEvent("order-placed", map[string]any{
		"orderId": id, "customerId": customer, "at": "2026-01-01T00:00:00Z",
		"lineItems": []map[string]any{{"productId": "p", "productName": "Tea", "quantity": 1, "pricePerUnit": "USD10.00", "taxRate": 0.21}},
		"billing":   map[string]any{"recipient": map[string]any{"emailAddress": "ann@example.com"}},
	})
}

func newEvent(kind string, data map[string]any) kurrent.NewEvent {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return kurrent.NewEvent{ID: uuid.New(), Type: kind, Data: body}
}

func money(minor int64) string { return fmt.Sprintf("USD%d.%02d", minor/100, minor%100) }

// expected returns the lines that the view must contain.
func (h *orderHistory) expected() []string {
	var lines []string
	counts := map[string]int{}
	for _, o := range h.orders {
		lines = append(lines, fmt.Sprintf("order|%s|%s|%s|%s|%s|%s|%d", o.ID, o.Customer, o.Status, o.Reason, o.Credit, o.Carrier, o.Total))
		counts[fmt.Sprint(o.Status)]++
	}
	for status, orders := range counts {
		lines = append(lines, fmt.Sprintf("count|%s|%d", status, orders))
	}
	for _, c := range h.customers {
		if c.events > 0 {
			lines = append(lines, fmt.Sprintf("customer|%s|%d|%d|%d", c.ID, c.Limit, c.Reserved, max(0, c.Limit-c.Reserved)))
		}
	}
	slices.Sort(lines)
	return lines
}

// viewLines returns the lines that the view contains.
func (rig *projectorRig) viewLines() []string {
	rig.t.Helper()
	return rig.viewLinesFor(rig.t)
}

func (rig *projectorRig) viewLinesFor(t require.TestingT) []string {
	rows, err := rig.db.Query(rig.t.Context(), `
		SELECT concat_ws('|', 'order', order_id, customer_id, status, reason, credit, carrier, total_minor) FROM customer_order
		UNION ALL
		SELECT concat_ws('|', 'customer', customer_id, limit_minor, reserved_minor, available_minor) FROM customer_view
		UNION ALL
		SELECT concat_ws('|', 'count', status, orders) FROM customer_order_count WHERE orders <> 0`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(lines)
	return lines
}
