package load

import (
	"context"
	"time"

	"orderflow/dev/chaos/internal/rig"
)

// Options are the size and mix of a workload.
type Options struct {
	Seed           uint64
	Orders         int           // number of orders; 0 means as many as fit the window at the rate
	Window         time.Duration // how long orders are placed
	Rate           float64       // orders per second
	OrderScenarios map[string]int
	Shown          bool          // the projection shows every order, so that no order can be hidden by it
	Hot            float64       // the share of orders placed by one customer
	CreditPerOrder int64         // that customer's credit per order, in minor units; 0 means most of the orders fit
	HTTP           float64       // the share of orders placed by HTTP, besides those whose scenario requires it; 0 means none at all
	Hold           time.Duration // how long an order that exceeds its credit is held
	Mail           MailFaults
	Pace           time.Duration // the longest wait before a scenario's action; 0 means five seconds

	Stores *rig.Direct
	APIs   []string                                // URLs of the api, one per replica
	Behind func(context.Context) ([]string, error) // what else has not settled, as texts; nil means nothing
	Say    func(format string, args ...any)
}

// MailFaults are the shares of orders whose next email meets a fault of the provider.
type MailFaults struct{ Throttled, Error, Lost, Bounced, Complained float64 }

// The subscription that the starters consume.
const (
	stream = "$ce-order"
	group  = "fulfillment"
)
