// Package kurrent is the one place that speaks to KurrentDB. It owns the guarded client (append, read, persistent
// subscriptions, parked events), the errors callers decide by, the order bodies kept in the event store, and the
// load-fold-append of credit accounts. It leaves what an event means to internal/order and internal/credit, and what
// to do about an error to its callers.
//
// The official client cannot be shared as it is. Its connection goroutine looks for the server without regard for any
// caller's context, ends for good when it does not find one, and then leaves everybody who queued for it blocked for
// ever; closing it while somebody queues panics. All of that needs a second caller, so here a client belongs to one call
// at a time: see pool.
package kurrent
