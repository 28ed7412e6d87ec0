package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
)

const (
	// recentOrders is how many of a customer's orders are shown: the newest ones.
	recentOrders = 20

	// maxLag is the highest lag that is counted, in events.
	maxLag = 1000

	// lagKept is how long a counted lag is cached: counting uses a connection.
	lagKept = time.Second

	// lagTimeout limits the counting. If the lag cannot be counted, the view is shown
	// without it.
	lagTimeout = 2 * time.Second
)

// customer is a customer's view. The amounts are null until the account is opened.
type customer struct {
	CustomerID string        `json:"customerId"`
	Limit      *order.Money  `json:"limit"`
	Reserved   *order.Money  `json:"reserved"`
	Available  *order.Money  `json:"available"`
	Orders     int           `json:"orders"`
	Recent     []recentOrder `json:"recent"`
	AsOf       *time.Time    `json:"asOf"`      // when the last event in the view was written; null if there is none
	LagEvents  *int          `json:"lagEvents"` // events not yet in the view, counted up to 1000; null if unknown
}

// recentOrder is one of a customer's orders.
type recentOrder struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
	Reason  order.Reason `json:"reason"`
	Total   *order.Money `json:"total"`
	Credit  order.Credit `json:"credit"`
	order.Shipment
	Parcels   int        `json:"parcels"` // that have left
	PlacedAt  *time.Time `json:"placedAt"`
	UpdatedAt time.Time  `json:"updatedAt"`
}

// getCustomer responds with a customer's view, which contains the events that the
// projector has read so far.
func (a *api) getCustomer(w http.ResponseWriter, r *http.Request) error {
	id, err := customerID(r)
	if err != nil {
		return err
	}
	found, err := a.customer(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, found)
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
		available := credit.Available(found.Limit, found.Reserved)
		c.Available = &available
	}
	for _, o := range found.Recent {
		c.Recent = append(c.Recent, recentOf(o))
	}
	return c, nil
}

// behind returns the number of events that are not yet in the view, or nil if it is
// unknown.
func (a *api) behind(ctx context.Context, at postgres.ViewPosition) *int {
	return a.lag.count(ctx, kurrent.Position{Commit: at.Commit, Prepare: at.Prepare})
}

func recentOf(o view.Order) recentOrder {
	recent := recentOrder{
		OrderID: o.OrderID, Status: o.Status, Reason: o.Reason, Credit: o.Credit, Shipment: o.Shipment,
		Parcels: o.Parcels, PlacedAt: timeOf(o.PlacedAt), UpdatedAt: o.UpdatedAt.UTC(),
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

// eventLog counts the events after a position. The real one is kurrent.Client.
type eventLog interface {
	CountEvents(ctx context.Context, f kurrent.Follow, most int) (int, error)
}

// lagMeter counts how far the view is behind the log, at most once a second for all
// requests. Within that second the view may have caught up further than the count says.
// It is safe for concurrent use.
type lagMeter struct {
	log   eventLog
	turn  chan struct{} // a lock, held while counting or reading the count
	until time.Time     // when the count expires
	lag   *int
}

func newLagMeter(log eventLog) *lagMeter { return &lagMeter{log: log, turn: make(chan struct{}, 1)} }

// count returns nil if the lag is unknown. The count is shared by all waiting requests,
// so it continues if the request that started it is canceled.
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
	behind, err := m.log.CountEvents(ctx, kurrent.Follow{Prefixes: view.Prefixes(), After: after}, maxLag)
	m.lag, m.until = nil, time.Now().Add(lagKept)
	if err == nil {
		m.lag = &behind
	}
	return m.lag
}
