// Package load owns what runs through a rig: made-up orders and what their customers, operators and warehouses do with them,
// all drawn from one seed, and a ledger of what each order must come to. It speaks to the stores directly and to the api as
// its clients do, repeats what a fault swallowed, knows when everything has come to rest, and holds the api to what it said.
// Breaking things is left to package fault, and finding out from the stores alone whether all is well to the checker.
//
// Every order has a fate, a row of the table in fates.go; another way for an order to go is another row.
package load
