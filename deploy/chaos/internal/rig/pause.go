package rig

import (
	"os"
	"strconv"
	"strings"
	"syscall"

	"orderflow/internal/devserver"
)

// pauseOne stops a program that is one process.
func pauseOne(c child) (resume func(), err error) {
	c.Signal(syscall.SIGSTOP)
	return func() { c.Signal(syscall.SIGCONT) }, nil
}

// pauseFamily stops a server and the children it forked: a PostgreSQL whose first process alone stands still would go on
// answering. The parent stops first, so that it forks no more and buries nobody, whose id could then be another's.
func pauseFamily(c child) (resume func(), err error) {
	c.Signal(syscall.SIGSTOP)
	children, err := childrenOf(c.(*devserver.Postgres).PID)
	if err != nil {
		c.Signal(syscall.SIGCONT)
		return nil, err
	}
	all := func(s syscall.Signal) {
		for _, id := range children {
			_ = syscall.Kill(id, s)
		}
	}
	all(syscall.SIGSTOP)
	return func() {
		all(syscall.SIGCONT)
		c.Signal(syscall.SIGCONT)
	}, nil
}

// childrenOf lists the children of a process as Linux tells them.
func childrenOf(pid int) ([]int, error) {
	id := strconv.Itoa(pid)
	body, err := os.ReadFile("/proc/" + id + "/task/" + id + "/children")
	if err != nil {
		return nil, err
	}
	var children []int
	for field := range strings.FieldsSeq(string(body)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return children, nil
}
