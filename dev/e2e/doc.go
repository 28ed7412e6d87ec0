// Package e2e follows orders through the whole stack: it builds the real binaries, lets dev/local run them beside a
// Temporal server, PostgreSQL and the stand-ins for KurrentDB and SES, and looks at what the stores hold. It holds tests
// only; what one part does by itself is left to that part's tests.
package e2e
