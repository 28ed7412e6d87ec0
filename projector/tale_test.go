package main

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

// tale tells random orders' ways to the streams, and folds for itself what the view has to say about them: by what it did,
// and not by reading anything back.
type tale struct {
	random    *rand.Rand
	orders    map[string]*toldOrder
	customers map[string]*toldCustomer
	names     []string // the orders, in the order they were placed
}

// toldOrder is an order as the view has to show it.
type toldOrder struct {
	ID, Customer, Status, Reason, Credit, Carrier string
	Total                                         int64
	published                                     int // domain events so far
}

// toldCustomer is an account as the view has to show it.
type toldCustomer struct {
	ID              string
	Limit, Reserved int64
	events          int
}

func newTale(seed uint64) *tale {
	return &tale{
		random: rand.New(rand.NewPCG(seed, seed)), orders: map[string]*toldOrder{}, customers: map[string]*toldCustomer{},
	}
}

// step does one thing that may happen next and answers the stream it is told on.
func (t *tale) step() (stream string, event kurrent.NewEvent) {
	if len(t.names) == 0 || t.random.IntN(4) == 0 {
		return t.place()
	}
	o := t.orders[t.names[t.random.IntN(len(t.names))]]
	c := t.customers[o.Customer]
	switch {
	case t.random.IntN(12) == 0:
		return t.noise(o)
	case c.events == 0:
		c.Limit = 100_000
		return t.account(c, "credit-account-opened", map[string]any{"customerId": c.ID, "limit": money(c.Limit)})
	case t.random.IntN(20) == 0:
		c.Limit += 1 + t.random.Int64N(1000)
		return t.account(c, "credit-limit-changed", map[string]any{"customerId": c.ID, "limit": money(c.Limit)})
	default:
		return t.advance(o, c)
	}
}

// place is an order; its customer is one of a few.
func (t *tale) place() (string, kurrent.NewEvent) {
	o := &toldOrder{
		ID: fmt.Sprintf("order-%d", len(t.names)), Customer: fmt.Sprintf("c-%d", t.random.IntN(5)), Status: "pending", Credit: "none",
		Total: 1210,
	}
	t.orders[o.ID] = o
	t.names = append(t.names, o.ID)
	if t.customers[o.Customer] == nil {
		t.customers[o.Customer] = &toldCustomer{ID: o.Customer}
	}
	return o.ID, placed(o.ID, o.Customer)
}

// noise is what must not show: a second order of the same id, what nobody can read, what means nothing here.
func (t *tale) noise(o *toldOrder) (string, kurrent.NewEvent) {
	switch t.random.IntN(5) {
	case 0:
		return o.ID, placed(o.ID, "c-somebody-else")
	case 1:
		return o.ID, told("order-paid", map[string]any{"orderId": o.ID, "amount": money(o.Total)})
	case 2:
		return "credit-" + o.Customer, told("credit-account-renamed", map[string]any{})
	case 3:
		return "fulfillment-" + o.ID, told("order-shipped", map[string]any{"orderId": "order-of-another", "status": "shipped"})
	default:
		return "cart-" + o.ID, told("item-added", map[string]any{})
	}
}

// advance takes an order one step on.
func (t *tale) advance(o *toldOrder, c *toldCustomer) (string, kurrent.NewEvent) {
	switch {
	case o.Status == "pending" && o.Credit == "none" && t.random.IntN(4) == 0:
		o.Credit, o.Status, o.Reason = "held", "on-hold", "INSUFFICIENT_CREDIT"
		return t.account(c, "credit-limit-exceeded", map[string]any{
			"orderId": o.ID, "amount": money(o.Total), "available": money(0), "held": true,
		})
	case o.Status == "pending" && o.Credit == "none", o.Status == "on-hold":
		o.Credit, o.Status, o.Reason = "reserved", "pending", ""
		c.Reserved += o.Total
		return t.account(c, "credit-reserved", map[string]any{"orderId": o.ID, "amount": money(o.Total)})
	case o.Status == "pending":
		return t.publish(o, "order-approved", "fulfilling", "", "")
	case o.Status == "fulfilling" && o.Credit == "reserved" && t.random.IntN(3) == 0:
		o.Credit = "released"
		c.Reserved -= o.Total
		return t.account(c, "credit-released", map[string]any{"orderId": o.ID, "amount": money(o.Total), "reason": "CANCELLED"})
	case o.Status == "fulfilling" && o.Credit == "released":
		return t.publish(o, "order-cancelled", "cancelled", "CANCELLED", "")
	case o.Status == "fulfilling":
		return t.publish(o, "order-shipped", "shipped", "", "DHL")
	default:
		return t.place()
	}
}

func (t *tale) account(c *toldCustomer, kind string, data map[string]any) (string, kurrent.NewEvent) {
	c.events++
	return "credit-" + c.ID, told(kind, data)
}

func (t *tale) publish(o *toldOrder, kind, status, reason, carrier string) (string, kurrent.NewEvent) {
	o.Status, o.Reason, o.Carrier = status, reason, carrier
	o.published++
	return "fulfillment-" + o.ID, told(kind, map[string]any{
		"orderId": o.ID, "customerId": o.Customer, "status": status, "reason": reason, "total": money(o.Total), "carrier": carrier,
		"trackingNumber": "", "revision": o.published - 1, "old": nil, "new": map[string]any{"placed_at": "2026-01-01T00:00:00Z"},
	})
}

func placed(id, customer string) kurrent.NewEvent {
	return told("order-placed", map[string]any{
		"orderId": id, "customerId": customer, "at": "2026-01-01T00:00:00Z",
		"lineItems": []map[string]any{{"productId": "p", "productName": "Tea", "quantity": 1, "pricePerUnit": "USD10.00", "taxRate": 0.21}},
		"billing":   map[string]any{"recipient": map[string]any{"emailAddress": "ann@example.com"}},
	})
}

func told(kind string, data map[string]any) kurrent.NewEvent {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err)
	}
	return kurrent.NewEvent{ID: uuid.New(), Type: kind, Data: body}
}

func money(minor int64) string { return fmt.Sprintf("USD%d.%02d", minor/100, minor%100) }

// expected are the lines the view has to hold.
func (t *tale) expected() []string {
	var lines []string
	for _, o := range t.orders {
		lines = append(lines, fmt.Sprintf("order|%s|%s|%s|%s|%s|%s|%d", o.ID, o.Customer, o.Status, o.Reason, o.Credit, o.Carrier, o.Total))
	}
	for _, c := range t.customers {
		if c.events > 0 {
			lines = append(lines, fmt.Sprintf("customer|%s|%d|%d|%d", c.ID, c.Limit, c.Reserved, max(0, c.Limit-c.Reserved)))
		}
	}
	slices.Sort(lines)
	return lines
}

// shown are the lines the view holds.
func (w *world) shown() []string {
	w.t.Helper()
	return w.shownFor(w.t)
}

func (w *world) shownFor(t require.TestingT) []string {
	rows, err := w.db.Query(w.t.Context(), `
		SELECT concat_ws('|', 'order', order_id, customer_id, status, reason, credit, carrier, total_minor) FROM customer_order
		UNION ALL
		SELECT concat_ws('|', 'customer', customer_id, limit_minor, reserved_minor, available_minor) FROM customer_view`)
	require.NoError(t, err)
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	slices.Sort(lines)
	return lines
}
