// Package kurrentsim is an embedded stand-in for KurrentDB: one node that speaks the real gRPC protocol to the unmodified
// official clients for Go and Node, for development and tests on a machine where the real server is not at hand.
//
// It owns the process around the parts: listeners, the gRPC server's settings, health, start and stop. The parts are
// journal (the file), store (streams and their rules), subscription (the rules of persistent subscriptions), groups (their
// life), users (who may log in), access (who may do what), rpc (the wire) and web (the stream browser). Each may be read on
// its own.
//
// What a real node has and this one lacks:
//
//   - A cluster: there is one node, which gossip names as the leader.
//   - Services: operations, monitoring, redaction and users are not there and not advertised, nor is AppendRecords of 26.1.
//     Of projections there are statistics and enabling and disabling: none can be created, updated, reset or deleted, or
//     asked for its state or result, and those of the system take no configuration.
//   - HTTP: besides the stream browser there are GET /health/live and POST /users/; no AtomPub, statistics or metrics.
//   - What a node writes about itself: $stats streams, epochs, and the state and checkpoints of projections.
//   - Scavenging: what is deleted or expired stays in the file and in $all.
//   - Users that change: they are made at the start and by POST /users/. Stream policies, OAuth, bearer tokens and users'
//     certificates are not there.
//
// What differs:
//
//   - The links of the system projections are there together with their events, or later by a fixed delay; in $all they are
//     never late, and those that a stopped projection catches up with stand where they would have stood. The projections
//     can be enabled and disabled.
//   - With TLS the stream browser is for administrators.
//   - A group reads at most 10,000 events ahead, starts again behind its checkpoint or where it was made, also when that was the
//     end, and on $all does not hear of what is appended while its buffers are full.
//   - Regular expressions are RE2, without look-around and back-references.
//   - A link's position is the number behind its event's, which a real log does not have.
//   - A refusal that a real node answers with the HTTP status 500, because its stream has no ASCII name, is the status that
//     the official Go client makes of it.
//   - A call of batch appends that its client closes ends when every append is answered; a real node may leave it open. What
//     becomes of malformed messages in it is read in the sources, not measured, as are its refusals.
//   - What the versions before and after 24.10 do is read in the sources, not measured: package rpc lists what differs.
package kurrentsim
