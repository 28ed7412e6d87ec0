// Package load owns the workload of a rig: generated orders and what their customers,
// operators and warehouses do with them, all drawn from one seed, and a ledger of what
// the api has confirmed about each order. It calls the stores directly and the api as its
// clients do, retries what a fault swallowed, knows when everything has settled, and
// checks that the api's responses remain true. Package fault breaks things, and the
// checker finds out from the stores alone whether all is well.
//
// Every order has a scenario, a row of the table in scenarios.go. To add a way for an
// order to go, add a row.
package load
