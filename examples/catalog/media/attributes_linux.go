package media

import "syscall"

// attributes returns those of a program with its own process group, which the kernel
// kills when this process ends.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
