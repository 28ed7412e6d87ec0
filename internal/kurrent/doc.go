// Package kurrent is the only package that talks to KurrentDB. It owns the guarded client
// (append, read, persistent subscriptions, parked events), the errors that callers decide
// by, the order bodies kept in the event store, and the load-fold-append cycle of credit
// accounts. What an event means is left to internal/order and internal/credit. What to do
// about an error is left to the callers.
//
// The official client cannot be shared between callers. Its connection goroutine searches
// for the server regardless of any caller's context. If it finds none it exits
// permanently, and every caller queued on it then blocks indefinitely. Closing the client
// while a caller is queued panics. All of that takes a second caller, so in this package
// a client belongs to one call at a time: see pool.
package kurrent
