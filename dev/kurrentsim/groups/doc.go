// Package groups runs persistent subscription groups. Each group has one goroutine, which
// feeds the state machine of package subscription from the store and hands its messages
// to the connected consumers. It also writes checkpoints and parked messages back to the
// store as ordinary events. Groups themselves are stored as events too, so that the data
// directory is one log.
//
// Package subscription decides how messages are shared, retried and parked. Package rpc
// encodes them for the wire.
package groups
