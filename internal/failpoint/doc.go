// Package failpoint lets a test kill a binary at a given instruction: right before or
// right after each side effect and each acknowledgment. It owns the list of these points
// and the syntax of the environment variable. Restarting the binary, and what must hold
// then, is left to dev/chaos and dev/checker.
//
// Without the build tag failpoint, Hit is empty and leaves nothing in the binary. With
// it, FAILPOINTS arms points by name, separated by commas:
//
//	FAILPOINTS='starter.start.after=crash@3,worker.mail-send.before=pause:40s'
//
// crash ends the process as kill -9 does. pause:DURATION blocks the one call that hits
// the point. @N selects the N-th hit; the default is the first. Each action happens once,
// and is reported on standard error. A binary exits at startup if it cannot parse
// FAILPOINTS.
package failpoint
