//go:build !linux

package devserver

import "syscall"

// processAttributes gives the child a process group and the account it runs as. There is no signal for the death of the
// parent here, and no user namespace.
func processAttributes(c Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c.as.credential}
}
