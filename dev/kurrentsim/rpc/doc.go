// Package rpc is the gRPC face of the embedded event store: it speaks the wire protocol of the official clients with the
// stubs that the one for Go ships, and translates to packages store and groups, where all decisions are made.
//
// There is one file per family of calls. What the client cannot bear (a message it does not expect, an event without a
// creation time, a failure before its stream is drained) is kept away from it here.
package rpc
