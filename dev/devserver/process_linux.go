package devserver

import "syscall"

// processAttributes sets the child's process group, the signal it receives when its
// parent dies, and the account it runs as.
func processAttributes(c Command) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: c.as.credential}
	if c.Death != 0 {
		attr.Pdeathsig = c.Death
	}
	if c.as.namespace {
		attr.Cloneflags = syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: namespaceID, HostID: syscall.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: namespaceID, HostID: syscall.Getegid(), Size: 1}}
	}
	return attr
}
