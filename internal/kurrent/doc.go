// Package kurrent is the guarded client of KurrentDB, and the only package that talks to
// it. It knows streams, events and groups, and no orders: what is kept there is left to
// package streams, and what to do about an error to the callers.
//
// In the order that a call takes: Config and its address (config.go, address.go) become
// settings of the official client; Client bounds each call by its context and a timeout,
// repeats what reached a node that does not lead, and translates errors (client.go,
// errors.go); the pool lends each call a connected client of its own (pool.go).
//
// In the order that data takes:
//
//   - Append writes events at an expected revision (append.go, event.go).
//   - ReadStream and its relatives read them back in pages (read.go).
//   - Follow visits the whole log as it is written, and Scan what it holds now
//     (follow.go, scan.go).
//   - A projection fills the stream of a category (projection.go), and a group of a
//     persistent subscription delivers that to its consumers (group.go). Subscription
//     receives, acknowledges and parks (subscription.go).
//   - Watch notices a subscription that has fallen silent (watch.go).
//   - Parked events are a stream of links, which can be listed, dropped and replayed
//     (parked.go, parked_boundary.go, parked_replay.go). The metadata of a stream holds
//     that boundary and the rights (stream_metadata.go, grant.go).
//
// The official client cannot be shared between callers. Its connection goroutine searches
// for the server regardless of any caller's context. If it finds none it exits
// permanently, and every caller queued on it then blocks indefinitely. Closing the client
// while a caller is queued panics. All of that takes a second caller, so in this package
// a client belongs to one call at a time: see pool.
package kurrent
