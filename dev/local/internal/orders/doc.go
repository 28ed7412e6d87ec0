// Package orders appends streams of events to the event store at exact revisions and
// finds out the outcome of the orders in them. It queries their workflows, the database
// for workflows that Temporal no longer keeps, and the list of parked events. Package
// sampledata generates or reads the streams; the main package displays the results.
package orders
