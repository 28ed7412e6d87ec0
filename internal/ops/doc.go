// Package ops runs a daemon: it serves what operators and platforms ask of every binary (whether the process lives, whether
// it can do its work, and its metrics) from before the work begins until it has ended. It owns the HTTP server for that, the
// order of start and stop, the wait for what a daemon depends on, and the one registry that the Temporal SDK's metrics and
// our own counters share. What is waited for, checked and counted is left to the binaries.
package ops
