// Publisher publishes fulfillment changes from PostgreSQL to KurrentDB: each version of
// an order's fulfillment becomes one event in the stream fulfillment-<order id>.
//
// This package decides the order of work: what is read first, when a version counts as
// published, and which position is confirmed to the server. Package internal/postgres
// reads the log, and internal/publish makes an append safe to repeat.
//
// # From a version to its event
//
//  1. A transaction changes an order's row, and a trigger adds the new version to
//     order_fulfillment_history, the only table of the publication.
//  2. stream.follow (stream.go) receives the version from the replication slot, once its
//     transaction has committed, and between transactions the position that the slot has
//     reached.
//  3. It queues both in [inflight.Versions], behind earlier versions of the same order.
//     At most PUBLISHER_WINDOW versions are in flight. While there is no room, it
//     receives nothing more, and only keeps reporting (6).
//  4. versionPublisher.publish (publish.go) repeats attempts at the version until it has
//     an outcome. [publish.Appender] builds its event, and appends it at expected
//     revision = row revision - 1. An event that an earlier attempt has appended is
//     recognized by its id.
//  5. The version is complete, and [inflight.State] moves to the position before the
//     first version that is not.
//  6. stream.report (stream.go) saves that position in the checkpoint, and then confirms
//     it to the server, which may discard the log before it. The checkpoint comes first,
//     so that a slot ahead of it is known to have been moved by another program.
//  7. prune (prune.go) deletes versions from the history that are published and older
//     than PUBLISHER_HISTORY_RETENTION.
//
// # Sessions
//
// publisher.run (publisher.go) runs one session after another. A session checks the
// publication, opens a replication connection and takes the slot's lock, so that one
// publisher works and the others wait. prepareSlot (slot.go) then finds the slot and its
// checkpoint. If both are intact, stream continues from the confirmed position. If the
// slot is new or lost, was moved, or belongs to another server or timeline, if the
// publication was changed, or if an operator deleted the checkpoint, snapshot
// (snapshot.go) first publishes the whole history in the order of its ids, with its
// progress in the checkpoint.
//
// # Failures
//
//   - KurrentDB is unavailable: the attempts at each version are repeated with backoff.
//     No version completes, so the position stays, and the slot keeps the log. outage
//     (outage.go) logs it once a minute.
//   - PostgreSQL is unavailable or the replication connection is lost: the session ends.
//     The next one reads everything after the confirmed position again.
//   - A version cannot be appended, whatever the number of attempts: append returns a
//     refusal, and setAside records its order. The version counts as complete, later ones
//     of the order are deferred behind it, and all other orders continue. The command
//     orderflow publisher retry publishes the order from the history once the cause is
//     fixed.
//   - A stream ends before the preceding version, such as after a restore of KurrentDB:
//     closeGap (publish.go) appends the missing versions from the history.
//   - The publisher stops: stream.finish waits for the versions in flight, saves and
//     confirms. What the timeout cuts off is published by the next session.
package main
