package rig

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"orderflow/dev/devserver"
)

// longestPause is longer than any pause of a server.
const longestPause = 30 * time.Second

// pauseOne stops a program that is one process.
func pauseOne(c child) (resume func(), err error) {
	c.Signal(syscall.SIGSTOP)
	return func() { c.Signal(syscall.SIGCONT) }, nil
}

// pauseFamily stops a server and the children it forked: if only the first process of
// PostgreSQL is stopped, the others keep responding. The parent stops first, so that it
// does not fork more children or reap any, whose id could then be reused.
func pauseFamily(c child) (resume func(), err error) {
	c.Signal(syscall.SIGSTOP)
	pid := c.(*devserver.Postgres).PID
	children, err := childrenOf(pid)
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
	relieve, err := guard(append(children, pid))
	resume = func() {
		all(syscall.SIGCONT)
		c.Signal(syscall.SIGCONT)
		relieve()
	}
	if err != nil {
		resume()
		return nil, err
	}
	return resume, nil
}

// guard starts a process that resumes the server if this process is killed before it can:
// the signal that then ends the server would not reach a stopped process.
func guard(pids []int) (relieve func(), err error) {
	words := strings.Trim(fmt.Sprint(pids), "[]")
	guardian := exec.CommandContext(context.Background(), "/bin/sh", "-c", fmt.Sprintf("sleep %d; kill -CONT %s", int(longestPause.Seconds()), words))
	guardian.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := guardian.Start(); err != nil {
		return func() {}, err
	}
	return func() {
		_ = syscall.Kill(-guardian.Process.Pid, syscall.SIGKILL)
		_ = guardian.Wait()
	}, nil
}

// childrenOf returns the children of a process from Linux's /proc.
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
