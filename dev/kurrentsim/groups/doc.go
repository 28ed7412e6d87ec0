// Package groups owns the life of persistent subscription groups: one goroutine per group that feeds the state machine of
// package subscription from the store, hands its messages to the connected consumers, and writes what it wants written
// (checkpoints and parked messages) back to the store as ordinary events. Groups themselves are kept as events too, so that
// the data directory is one log.
//
// How messages are shared, retried and parked is decided in package subscription; how they look on the wire in package rpc.
package groups
