// Package rpc is the gRPC layer of the embedded event store. It speaks the wire protocol
// of the official clients, using the stubs that ship with the Go client, and translates
// calls to packages store and groups, which make all decisions.
//
// There is one file per family of calls. This package avoids what the client cannot
// handle: a message it does not expect, an event without a creation time, a failure
// before its stream is drained.
package rpc
