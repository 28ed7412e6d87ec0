// Package postgres owns what Orderflow keeps in PostgreSQL: the schema and its migrations, one row per order's
// fulfilment with its history, the send ledger of its mails, and how the history is read from the server's log. It is the
// only package that knows the driver. It leaves deciding about an order to the workflow, rendering and sending mails to
// internal/ses, and publishing the history to the publisher.
//
// Each method is one transaction and, after the first on a connection, one round trip: its statements go out together,
// those that write say in their WHERE when they apply, and the last one reads what is there now. So a method may be
// repeated after any failure, a lost answer included. Whatever touches an order's mails locks the order's row first,
// which makes the steps of one order strictly one after another.
//
// Production connects with less than the owner's rights, for an owner could drop the triggers that keep the rows. The
// schema brings what gives an existing role the rights of one program:
//
//	SELECT orderflow_grant_worker('orderflow_worker');
//	SELECT orderflow_grant_publisher('orderflow_publisher'); -- it needs the attribute REPLICATION besides
//	SELECT orderflow_grant_reconcile('orderflow_reconcile'); -- for starter reconcile
//
// `worker migrate` connects as the owner.
package postgres
