//go:build unix && !linux

package media

import "syscall"

// attributes returns those of a program with its own process group. Only Linux can kill
// it when this process crashes.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
