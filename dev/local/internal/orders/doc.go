// Package orders appends streams of events to the event store at exact revisions and
// finds out the outcome of the orders in them.
//
// It asks the api for the state of an order, and the stores for what the api does not
// report: which events were parked, the last domain event that was published about an
// order, its row in the customer view, and, from Temporal, which orders are the newest.
// Package sampledata generates or reads the streams; the main package displays the
// results.
package orders
