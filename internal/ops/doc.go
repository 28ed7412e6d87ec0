// Package ops serves what operators and platforms ask of every binary: whether the process lives, whether it can do its
// work, and its metrics. It owns the HTTP server for that, the order of its checks and the one registry that the Temporal
// SDK's metrics and our own counters share. What is checked and counted is left to the binaries.
package ops
