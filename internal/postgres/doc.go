// Package postgres stores what Orderflow keeps in PostgreSQL: the schema and its
// migrations, one row per order's fulfillment with its history, and the send ledger of
// its emails. It also reads the history from the server's log. It is the only package
// that imports the driver. Decisions about an order belong to the workflow, rendering and
// sending of emails to internal/ses, and publishing of the history to the publisher.
//
// Each method is one transaction and, after the first one on a connection, one round
// trip: its statements are sent together. Statements that write state in their WHERE
// clause when they apply, and the last statement reads the current state. A method may
// therefore be repeated after any failure, including a lost response. Whatever changes an
// order's emails locks the order's row first, so the steps of one order run strictly one
// after another.
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
