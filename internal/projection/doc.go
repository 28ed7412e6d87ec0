// Package projection maintains the customer view in PostgreSQL from the event streams in
// KurrentDB: orders, credit accounts and fulfillments, in the order of the whole log. It
// maintains the live view for the projector, and a rebuilt one for the operators' command.
//
// It follows the log, and decides which replica works and when changes are stored.
// Package internal/view decides what an event changes, and package internal/postgres
// stores it.
//
// # From an event to the view
//
//  1. Projection.Run (projection.go) works while this replica is the leader (lead.go). Other
//     replicas wait for the lock.
//  2. Projection.session (projection.go) reads the stored position, and follows $all from
//     there, filtered to the streams that the view is made of.
//  3. Projection.follow receives each event and turns it into a step: [view.Decode] maps
//     the event to a change, or finds that it changes nothing. A step without an event
//     holds a position, or says that the end of the log was reached.
//  4. gatherer.run (batch.go) gathers the steps that arrive while the previous batch is
//     stored into one batch.
//  5. Projection.storeBatch stores the batch's changes and its position in one
//     transaction. It is refused if the position is not the expected one, so a second
//     writer, or a repetition after a lost response, cannot apply a change twice.
//
// # Rebuild
//
// Rebuild (rebuild.go) runs the same session on empty tables, until it has caught up, and
// then renames the tables in one transaction. It stores full batches, and only the last
// transaction waits for the disk: after a crash of the server a rebuild starts again. The running projector finds that the
// position has moved, and continues on the new view from its position.
//
// # Failures
//
//   - KurrentDB or PostgreSQL is unavailable: the session ends, and Run begins another
//     one with backoff, at the stored position.
//   - The database rejects a change permanently: storeOneByOne skips that change, counts
//     and logs it, and stores the others.
//   - The database does not finish a batch in time: the next batch is half as large.
//   - The subscription is open and delivers nothing: Watch (watch.go), which counts the
//     events behind the stored position, ends the session.
package projection
