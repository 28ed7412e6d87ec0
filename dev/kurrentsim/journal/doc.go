// Package journal implements the one append-only file behind the embedded event store:
// length and CRC framing, durability with group commit, and cutting a torn tail at start.
//
// It knows nothing of events or streams: a frame is bytes that exist either as a whole or
// not at all. The content of frames, and the index over it, belong to package store.
// Without a data directory the same frames live in memory.
package journal
