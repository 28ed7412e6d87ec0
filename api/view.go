package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// recentOrders is how many of a customer's orders are shown, the newest.
	recentOrders = 20

	// maxLag is how far the events that the view has not taken yet are counted.
	maxLag = 1000

	// lagKept is how long a counted lag is good for: counting takes a connection.
	lagKept = time.Second

	// lagTimeout bounds the counting. A lag that cannot be counted keeps nobody from the
	// view.
	lagTimeout = 2 * time.Second
)

// customer is a customer's view. Money is null until the account is opened.
type customer struct {
	CustomerID string        `json:"customerId"`
	Limit      *order.Money  `json:"limit"`
	Reserved   *order.Money  `json:"reserved"`
	Available  *order.Money  `json:"available"`
	Orders     int           `json:"orders"`
	Recent     []recentOrder `json:"recent"`
	AsOf       *time.Time    `json:"asOf"`      // when the last event was written that is in the view; null when none is
	LagEvents  *int          `json:"lagEvents"` // events that are not in it yet, counted up to 1000; null when nobody knows
}

// recentOrder is one of a customer's orders.
type recentOrder struct {
	OrderID        string       `json:"orderId"`
	Status         order.Status `json:"status"`
	Reason         order.Reason `json:"reason"`
	Total          *order.Money `json:"total"`
	Credit         order.Credit `json:"credit"`
	Carrier        string       `json:"carrier"`
	TrackingNumber string       `json:"trackingNumber"`
	PlacedAt       *time.Time   `json:"placedAt"`
	UpdatedAt      time.Time    `json:"updatedAt"`
}

// getCustomer answers what the streams say about a customer, as far as the projector has
// read them.
func (a *api) getCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	found, err := a.customer(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, found)
}

func (a *api) customer(ctx context.Context, id string) (customer, error) {
	found, err := a.view.FindCustomer(ctx, id, recentOrders)
	if errors.Is(err, postgres.ErrNotFound) {
		return customer{}, notFound("there is no such customer in the view")
	}
	if err != nil {
		return customer{}, err
	}
	c := customer{
		CustomerID: found.CustomerID, Orders: found.Orders, Recent: []recentOrder{}, AsOf: timeOf(found.Position.EventAt),
		LagEvents: a.behind(ctx, found.Position),
	}
	if currency := found.Limit.Currency; currency != "" {
		c.Limit = &found.Limit
		c.Reserved = &order.Money{Minor: found.Reserved, Currency: currency}
		c.Available = &order.Money{Minor: found.Available(), Currency: currency}
	}
	for _, o := range found.Recent {
		c.Recent = append(c.Recent, recentOf(o))
	}
	return c, nil
}

// behind counts the events that the view has not taken yet.
func (a *api) behind(ctx context.Context, at postgres.ViewPosition) *int {
	return a.lag.count(ctx, kurrent.Position{Commit: at.Commit, Prepare: at.Prepare})
}

func recentOf(o view.Order) recentOrder {
	recent := recentOrder{
		OrderID: o.OrderID, Status: o.Status, Reason: o.Reason, Credit: o.Credit, Carrier: o.Carrier, TrackingNumber: o.TrackingNumber,
		PlacedAt: timeOf(o.PlacedAt), UpdatedAt: o.UpdatedAt.UTC(),
	}
	if o.Total.Currency != "" {
		recent.Total = &o.Total
	}
	return recent
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// eventLog counts what is written behind a position. The real one is kurrent.Client.
type eventLog interface {
	Behind(ctx context.Context, f kurrent.Follow, most int) (int, error)
}

// lagMeter counts how far the view is behind the log, at most once a second for all who
// ask. Within that second the view may have come closer than it says.
type lagMeter struct {
	log   eventLog
	turn  chan struct{} // whoever counts, or reads what was counted, holds it
	until time.Time     // when what was counted is too old
	lag   *int
}

func newLagMeter(log eventLog) *lagMeter { return &lagMeter{log: log, turn: make(chan struct{}, 1)} }

// count answers nil when it is not known. The counting is for all who ask, so it does not
// end with the first of them.
func (m *lagMeter) count(ctx context.Context, after kurrent.Position) *int {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return nil
	}
	if time.Now().Before(m.until) {
		return m.lag
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lagTimeout)
	defer cancel()
	behind, err := m.log.Behind(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, maxLag)
	m.lag, m.until = nil, time.Now().Add(lagKept)
	if err == nil {
		m.lag = &behind
	}
	return m.lag
}
