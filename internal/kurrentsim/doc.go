// Package kurrentsim is an embedded stand-in for KurrentDB: one node that speaks the real gRPC protocol to the unmodified
// official client, for development and tests on a machine where the real server is not at hand.
//
// It owns the process around the parts: listeners, the gRPC server's settings, health, start and stop. The parts are
// journal (the file), store (streams and their rules), subscription (the rules of persistent subscriptions), groups (their
// life) and rpc (the wire). Each may be read on its own.
//
// It differs from a real node in these points: projections are synchronous, rights in stream metadata are stored but not
// enforced, nothing is scavenged, regular expressions are RE2, and there is no cluster.
package kurrentsim
