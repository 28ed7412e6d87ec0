// Package probe asks a KurrentDB server questions and records its answers in a form that is the same, byte by byte, each time
// the same server is asked. A probe is one question: a few calls over the official client, or past it on the wire, with what
// came of each as a step.
//
// What differs from run to run is replaced:
//
//	~s, $ce-~order   the probe's own prefix of names of streams, types and groups
//	P1, P2, ...      positions in the log, numbered by size within a probe: order and equality are compared
//	#a               an id the probe chose, of the event labeled a; #?1, ... are ids the server made, in order of appearance
//	<time Z>         a time, with how its zone is written; <addr>, <v>, <n> an address, a projection's version, a message's size
//	<user>           the user who asks, in the statistics of a group's connections
//
// An event in brief is `stream@revision type #id` (the type `thing` is left out), `link -> event` when resolved. The list of a
// read ends with EOF or the error, that of a subscription with `silence` when nothing more came. An error has the client's
// code, the status code under grpc, and its text; in the wire. probes, grpc, message and trailers. FAULT is a fault of the
// probe: a panic, its time limit, or a call that never returned.
//
// The package owns the questions and the form of the answers. What an answer should be, it leaves to the caller. The server
// asked must be one whose data may be thrown away: streams stay behind, and the last probe restarts its persistent
// subscriptions.
package probe
