// Package postgres stores what Orderflow keeps in PostgreSQL. It owns the schema and its
// migrations, every SQL statement, and the meaning of every error of the server. It is
// the only package that imports the driver. Decisions about an order belong to the
// workflow, rendering and sending of emails to internal/ses, what is published of the
// history to the publisher, and what an event changes in the customer view to
// internal/view.
//
// # Parts
//
// A main opens one [Pool] and creates the stores it needs on it. The pool connects
// (url.go), prepares each session so that the statements mean the same on every server
// (session.go), and bounds each call. It also checks the schema and waits for it
// (schema.go), and elects one of several processes (election.go). In the order in which
// data passes through them, the stores are:
//
//   - [Fulfillments], one row per order, and [EmailLedger], one row per email of it.
//     The worker changes both.
//   - [History], to which a trigger adds each version of an order's row.
//   - [Publication], by which the server sends the inserts into the history through a
//     replication slot. A [Replication] reads the slot on a connection of its own
//     (replication.go) and decodes each insert into a [Version] (replication_decode.go).
//     [PublisherState] keeps how far that got, and which orders could not be published.
//   - [CustomerView], one row per customer and per order, which the projector writes from
//     the event streams and the api reads.
//
// It is one package because the stores share sessions, errors and transactions: closing
// an order changes its row, its history and the ledger of its emails at once.
//
// # Statements
//
// A change to an order is one transaction and, after the first one on a connection, one
// round trip: its statements are sent together. Statements that write state in their
// WHERE clause when they apply, and the last statement reads the current state. A method
// may therefore be repeated after any failure, including a lost response. Whatever
// changes an order's emails locks the order's row first, so the steps of one order run
// strictly one after another.
//
// Each statement is one constant that can be read, and run, by itself; its comment says
// what makes it safe to repeat. Conditions that several statements share are spelled out
// in each of them. Names that begin with @ are parameters.
//
// # Roles
//
// In production, connect with fewer rights than the owner has: an owner could drop the
// triggers that protect the rows. The schema has functions that grant an existing role
// the rights of one program:
//
//	SELECT orderflow_grant_worker('orderflow_worker');
//	SELECT orderflow_grant_publisher('orderflow_publisher'); -- also needs the attribute REPLICATION
//	SELECT orderflow_grant_reconcile('orderflow_reconcile'); -- for orderflow reconcile
//
// `orderflow migrate` connects as the owner.
package postgres
