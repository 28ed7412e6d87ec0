// Package orders appends streams of events to the event store at exact revisions, and finds out what becomes of the orders
// in them: by asking their workflows, the database for those that Temporal has forgotten, and the list of parked events. It
// leaves making up or reading the streams to package sampledata, and showing anything to the main package.
package orders
