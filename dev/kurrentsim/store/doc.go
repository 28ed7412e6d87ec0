// Package store implements streams: events in one global order, the expected-revision and
// idempotency rules, deletion and stream metadata, link resolution, and the links of the
// system projections ($by_category, $by_event_type, $streams, $stream_by_category).
//
// Bodies stay in the journal and are read from there; memory holds an index of about
// twenty bytes per event. Links of the projections are not stored. They are derived from
// the event before them, at the time of the append and again when a data directory is
// read. Readers see events only once they are durable.
//
// The package does not depend on gRPC or subscriptions: those read pages and wait on
// Changed.
package store
