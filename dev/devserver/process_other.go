//go:build !linux

package devserver

import "syscall"

// processAttributes sets the child's process group and the account it runs as. This
// system has neither a signal for the death of the parent nor user namespaces.
func processAttributes(c Command) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: c.as.credential}
}
