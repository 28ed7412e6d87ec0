// Package store owns what is true about streams: events in one global order, the expected-revision and idempotency rules,
// deletion and stream metadata, link resolution, and the links of the system projections ($by_category, $by_event_type,
// $streams, $stream_by_category).
//
// Bodies stay in the journal and are read from there; memory holds an index of about twenty bytes per event. Links of the
// projections are not stored at all: they follow from the event before them, in memory and when a data directory is read
// again. Events are seen by readers once they are durable, never before.
//
// It knows nothing of gRPC or of subscriptions: those read pages and wait on Changed.
package store
