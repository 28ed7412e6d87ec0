package devserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// killGrace is how long a child may take to obey the hard signal before its whole group
// is killed: a PostgreSQL server allows its own children five seconds.
const killGrace = 6 * time.Second

// Command describes a child process to start.
type Command struct {
	Name    string         // name used in errors
	Path    string         // the program
	Args    []string       // without the program's name
	Env     []string       // nil means the environment of this process
	Dir     string         // working folder; empty means that of this process
	LogFile string         // its standard output and error are appended here; empty drops them
	Death   syscall.Signal // signal it gets when this process dies; 0 means SIGKILL. Linux only

	stdin   *os.File   // its standard input; nil means empty
	inherit []*os.File // open files it gets as descriptors 3, 4...
	as      account    // user it runs as
}

// Process is a running child.
type Process struct {
	PID  int
	name string
	proc *os.Process
	done chan struct{}
	err  error // written before done is closed
}

// Start starts the child in its own process group. The context applies only to starting:
// the child outlives it.
//
// The kernel sends the death signal when the thread that forked the child ends, not the
// process. The child is therefore forked by a goroutine that keeps its thread as long as
// the child lives.
func Start(ctx context.Context, c Command) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, context.Cause(ctx))
	}
	log, err := openLog(c.LogFile)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	cmd := &exec.Cmd{
		Path: c.Path, Args: append([]string{c.Path}, c.Args...), Env: c.Env, Dir: c.Dir,
		Stdout: log, Stderr: log, ExtraFiles: c.inherit, SysProcAttr: processAttributes(c),
	}
	if c.stdin != nil {
		cmd.Stdin = c.stdin // a nil *os.File in the interface would not count as nil
	}
	p := &Process{name: c.Name, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		_ = log.Close()
		if err == nil {
			p.PID, p.proc = cmd.Process.Pid, cmd.Process
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
			close(p.done)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", c.Name, err)
	}
	return p, nil
}

// Done returns a channel that is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err waits for the child's end and returns how it ended: nil for exit code 0.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends a signal to the child, not to its group. It does nothing if the child has
// ended.
func (p *Process) Signal(s syscall.Signal) {
	_ = p.proc.Signal(s)
}

// Stop sends the gentle signal and waits. If the context ends first it sends the hard
// one, waits a few seconds more, and kills the rest of the child's group. The child has
// ended when Stop returns. Stop returns an error if the end was forced.
func (p *Process) Stop(ctx context.Context, gentle, hard syscall.Signal) error {
	p.Signal(gentle)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	p.Signal(hard)
	obey := time.NewTimer(killGrace)
	defer obey.Stop()
	select {
	case <-p.done:
	case <-obey.C:
	}
	_ = syscall.Kill(-p.PID, syscall.SIGKILL)
	<-p.done
	return fmt.Errorf("%s did not stop in time and was ended by force: %w", p.name, context.Cause(ctx))
}

// run starts a child and waits for its end. It stops the child if the context ends.
func run(ctx context.Context, c Command) error {
	p, err := Start(ctx, c)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		_ = syscall.Kill(-p.PID, syscall.SIGKILL)
		<-p.Done()
		return fmt.Errorf("%s: %w", c.Name, context.Cause(ctx))
	}
	if err := p.Err(); err != nil {
		return fmt.Errorf("%s: %w%s", c.Name, err, logTail(c.LogFile))
	}
	return nil
}

// openLog opens a log for appending, readable only by its owner.
func openLog(path string) (*os.File, error) {
	if path == "" {
		return os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// logTail returns the end of a log formatted as the tail of a one-line error, because it
// holds the reason why a server did not start.
func logTail(path string) string {
	const window, lines = 2 << 10, 3
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	buf := make([]byte, window)
	n, _ := file.ReadAt(buf, max(0, info.Size()-window))
	all := strings.Split(strings.TrimSpace(string(buf[:n])), "\n")
	return ": " + strings.Join(all[max(0, len(all)-lines):], " | ") + " (see " + path + ")"
}
