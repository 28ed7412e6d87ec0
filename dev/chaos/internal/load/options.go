package load

import (
	"context"
	"time"

	"orderflow/dev/chaos/internal/rig"
)

// Options say how much of what comes.
type Options struct {
	Seed   uint64
	Orders int           // how many; 0: as many as fit the window at the rate
	Window time.Duration // orders are placed in it
	Rate   float64       // orders a second
	Fates  map[string]int
	Shown  bool          // the projection shows every order: none can have the fate of being hidden by it
	Hot    float64       // the share of orders that one customer places
	Room   int64         // that customer's limit by order, in minor units; 0: most of the orders fit it
	HTTP   float64       // the share of orders that are placed by HTTP, beside those whose fate it is; 0: none at all
	Hold   time.Duration // how long an order that exceeds its credit is held
	Mail   MailFaults
	Pace   time.Duration // the longest a fate waits for its turn; 0: five seconds

	Stores *rig.Direct
	APIs   []string                                // URLs of the api, of each replica one
	Behind func(context.Context) ([]string, error) // what else has not come to rest, in words; nil: nothing
	Say    func(format string, args ...any)
}

// MailFaults are the shares of orders whose next mail meets a fault of the provider.
type MailFaults struct{ Throttled, Error, Lost float64 }

// The subscription that the starters consume.
const (
	stream = "$ce-order"
	group  = "fulfillment"
)
