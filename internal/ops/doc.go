// Package ops runs a daemon. From before the work begins until it has ended, it serves
// what operators and platforms ask of every binary: liveness, readiness and metrics. It
// owns the HTTP server for that, the order of start and stop, waiting for dependencies,
// and the one registry shared by the Temporal SDK's metrics and the product's own. What
// to wait for, check and count is left to the binaries.
package ops
