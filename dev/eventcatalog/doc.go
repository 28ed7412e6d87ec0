// Package eventcatalog is the catalog of the events that Orderflow reads and writes. From
// it come the files of docs/events: an AsyncAPI document, a JSON Schema of each event and
// the page's table. The tests compare the catalog with the code, and the events that were
// recorded once with both.
//
// To add an event, add its entry to the list of its stream, and call it in Events if the
// stream is new. Then run make event-catalog: it writes the files, and records the entry's
// examples in testdata/recorded. A recorded event is never changed or removed: streams are
// permanent, and other programs read and write them. So a later version of the event must
// describe it and decode it too.
package eventcatalog
