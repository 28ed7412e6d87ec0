// Package crash kills the binaries of a rig at each of their failpoints while orders are
// in progress. It arms one point of one process, sends orders that reach it, waits until
// the process has died of it by SIGKILL, and lets it restart before the next. A point
// that cannot be made to crash is an error: what was never tried proves nothing.
//
// Package internal/failpoint defines the points. The checker finds out whether anything
// was lost or duplicated.
package crash
