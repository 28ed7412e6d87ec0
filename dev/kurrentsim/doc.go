// Package kurrentsim is an embedded stand-in for KurrentDB: one node that speaks the real
// gRPC protocol to the unmodified official clients for Go and Node. It is for development
// and tests on machines without the real server.
//
// The package runs the process around the parts: listeners, the gRPC server's settings,
// health, start and stop. The parts are journal (the file), store (streams and their
// rules), metadata (of streams), subscription (the rules of persistent subscriptions),
// groups (running them), users (who may log in), access (who may do what), rpc (the wire)
// and web (the stream browser). Each can be read independently.
//
// # From an append to a delivery
//
//  1. The mux (mux.go) accepts a connection, and its first bytes decide whether gRPC or
//     plain HTTP serves it (endpoint.go). On the port with TLS, [rpc.Guard] identifies
//     the caller and asks package access before a handler sees the first message.
//  2. [rpc.Service] has a server type for each service of the protocol. An append
//     collects the call's events (append.go; append_batch.go and append_session.go for
//     the other two forms) and passes them to [store.Store].
//  3. Store.StartAppend checks the expected state and looks for a repetition (check.go).
//     A transaction encodes all events into one frame, adds it to the journal and applies
//     it to the index (transaction.go). The links of the system projections are derived
//     there too (projection.go): they are entries of the index, not bytes of the file.
//  4. The journal syncs the frame, together with those of concurrent appends. Only then
//     does the store publish the events to readers and close the channel that
//     [store.Store.Changed] returned, and the client gets its response.
//  5. Readers wait on that channel. A catch-up subscription (rpc, subscribe.go and
//     subscribe_all.go) reads and sends the next page itself.
//  6. A persistent subscription has one goroutine per group, which [groups.Manager]
//     starts when the data is opened or the group is created. It reads the next events
//     (groups, source.go) and feeds them to the Engine of package subscription, whose
//     Pump chooses a consumer for each.
//  7. The consumer's call (rpc, persistent_read.go) takes its messages from a
//     [groups.Connection], sends them, and passes acknowledgements back to the engine.
//     The group appends the checkpoint and parked messages as ordinary events (groups,
//     writes.go).
//
// # Use in tests
//
// Tests of any module can import the package. [Start] returns a running server, by
// default on a free port and with its data in memory, so that tests can run in parallel.
// The official client connects to [Server.URL], and [Server.Stop] ends the server.
// [Options] needs no other package: [User] and [Target] are declared here. With
// Options.DataDir the data survives a restart, and Options.TLS adds a port with TLS,
// users and their rights. Package kurrentsimtest starts such a server with a temporary
// certificate.
//
// # Limits
//
// What a real node has and this one lacks:
//
//   - A cluster: there is one node, which gossip names as the leader. Cluster of package
//     kurrentsimtest puts several addresses before one server, without replication.
//   - Services: operations, monitoring, redaction and users are missing and not
//     advertised, as is AppendRecords of 26.1. The projections service has statistics,
//     enabling and disabling: no projection can be created, updated, reset or deleted, or
//     asked for its state or result, and the system projections take no configuration.
//   - HTTP: apart from the stream browser there are GET /health/live and POST /users/; no
//     AtomPub, statistics or metrics.
//   - What a node writes about itself: $stats streams, epochs, and the state and
//     checkpoints of projections.
//   - Scavenging: deleted and expired events stay in the file and in $all.
//   - Changes of users: they are configured at the start or created by POST /users/.
//     Stream policies, OAuth, bearer tokens and user certificates are missing.
//
// What differs:
//
//   - The links of the system projections appear together with their events, or later by
//     a fixed delay. In $all they are never late, and links that a stopped projection
//     catches up with appear where they would have been. The projections can be enabled
//     and disabled.
//   - With TLS the stream browser is restricted to administrators.
//   - A group reads at most 10,000 events ahead. It restarts behind its checkpoint, or
//     where it was created, even if that was the end. On $all it is not notified of
//     events appended while its buffers are full.
//   - Regular expressions are RE2, without look-around and back-references.
//   - A link's position is a number right behind its event's, which a real log does not
//     have.
//   - If a real node responds with HTTP status 500, because a stream's name is not ASCII,
//     this server returns the status that the official Go client makes of it.
//   - A call of batch appends whose client closes it ends once every append is answered;
//     a real node may leave it open. How it treats malformed messages, and its errors,
//     come from the sources and were not measured.
//   - The behavior of versions before and after 24.10 comes from the sources and was not
//     measured: package rpc lists the differences.
package kurrentsim
