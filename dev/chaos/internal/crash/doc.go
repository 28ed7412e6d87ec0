// Package crash ends the binaries of a rig at each of their failpoints while orders are under way: it arms one point of one
// process, sends orders that lead there, sees the process die of it by SIGKILL, and lets it come back before the next.
// A point that cannot be made to crash is an error: what was never tried proves nothing.
//
// Which points there are is said by internal/failpoint, and whether anything was lost or doubled by the checker.
package crash
