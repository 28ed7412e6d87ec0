// Package failpoint lets a test kill a binary between two given instructions: right before and right after each effect it
// has and each acknowledgement it gives. It owns the list of these points and what the environment says about them; who
// restarts the binary, and what must hold then, is left to dev/chaos and dev/checker.
//
// Without the build tag failpoint, Hit is empty and nothing of a point is left in the binary. With it, FAILPOINTS arms
// points by name, separated by commas:
//
//	FAILPOINTS='starter.start.after=crash@3,worker.mail-send.before=pause:40s'
//
// crash ends the process as kill -9 does, pause:DURATION holds the one call that hits, and @N waits for the N-th hit, the
// first without it. Each happens once, and is announced on standard error. A binary refuses to start with a FAILPOINTS it
// does not understand.
package failpoint
