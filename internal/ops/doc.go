// Package ops runs a daemon. From before the work begins until it has ended, it serves
// what operators and platforms ask of every binary: liveness, readiness and metrics. It
// owns the HTTP server for that, the order of start and stop, waiting for dependencies,
// and the one registry shared by the Temporal SDK's metrics and the product's own. What
// to wait for, check and count is left to the binaries.
//
// The five daemons are built alike. Each has a function run, which reads its settings
// with config.Load, makes the logger and a Metrics, opens the drivers, and reports all
// faults in the settings at once: no driver connects when it is opened. Then it calls Run
// with the checks and the function that does the work. Run starts the server, awaits the
// dependencies, and calls that function. The lifecycle knows the phase; the report joins
// it with the results of the checks, for /readyz and as a metric. When the context ends,
// on SIGTERM, the work drains within SHUTDOWN_TIMEOUT; run's deferred calls close the
// drivers last.
package ops
