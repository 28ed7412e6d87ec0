// Package journal owns the one append-only file behind the embedded event store: length and CRC framing, durability with
// group commit, and the clean cut of a torn tail at start.
//
// It knows nothing of events or streams: a frame is bytes that are either there as a whole or not at all. What is in a
// frame, and the index over it, belong to package store. Without a data directory the same frames live in memory.
package journal
