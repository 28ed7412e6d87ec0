// Package probe asks a KurrentDB server questions and records its responses. Asking the
// same server again produces the same bytes. A probe is one question: a few calls through
// the official client, or directly over the wire, with the result of each as a step.
//
// Values that differ between runs are replaced:
//
//	~s, $ce-~order   the probe's own prefix of names of streams, types and groups
//	P1, P2, ...      positions in the log, numbered by size within a probe: order and equality are compared
//	#a               an id the probe chose, of the event labeled a; #?1, ... are ids the server made, in order of appearance
//	<time Z>         a time, with how its zone is written; <addr>, <v>, <n> an address, a projection's version, a message's size
//	<user>           the user who asks, in the statistics of a group's connections
//
// An event in brief is `stream@revision type #id` (the type `thing` is omitted), and
// `link -> event` when resolved. The list of a read ends with EOF or the error, that of a
// subscription with `silence` if nothing more arrived. An error has the client's code,
// the status code under grpc, and its text; in the wire. probes it has grpc, message and
// trailers. FAULT is a failure of the probe itself: a panic, its time limit, or a call
// that never returned.
//
// A file of probes has a list of them: the name of each, as in the transcript, and the
// function that asks. What several probes need is in calls.go, feed.go, group.go,
// consumer.go and wire.go; format.go and normal.go make results comparable.
//
// The package owns the questions and the format of the answers. It does not judge the
// answers. The data of the server asked must be disposable: streams are left behind, and
// the last probe restarts its persistent subscriptions.
package probe
