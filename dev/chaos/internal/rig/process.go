package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A process that died is started again after a pause that grows while it keeps dying
// young.
const (
	firstRespawn    = 200 * time.Millisecond
	lastRespawn     = 3 * time.Second
	resetPauseAfter = 5 * time.Second // a process that ran this long starts over with the first pause
)

// child is a running program, started by package devserver.
type child interface {
	Done() <-chan struct{}
	Err() error
	Signal(s syscall.Signal)
	Stop(ctx context.Context) error
}

// Death is one end of a process.
type Death struct {
	At        time.Time
	Cause     string            // such as "signal: killed" or "exit status 1"
	Asked     bool              // it was killed or stopped by this run
	Variables map[string]string // the extra variables it was started with
}

// Killed reports whether it died by SIGKILL.
func (d Death) Killed() bool {
	return d.Cause == syscall.SIGKILL.String() || d.Cause == "signal: killed"
}

// Process is one program of the rig. It is restarted when it dies, unless it was stopped.
type Process struct {
	Name string

	launch func(ctx context.Context, variables map[string]string) (child, error)
	ready  func(ctx context.Context) error
	up     func(context.Context) error // called when it runs, before it is ready
	down   func()                      // called when it no longer runs
	pause  func(child) (resume func(), err error)

	fault sync.Mutex // held by faults that must not overlap on the same process

	mu      sync.Mutex
	changed chan struct{} // closed and replaced whenever a field below changes
	wanted  bool
	begun   bool // a start is in progress
	current child
	asked   bool              // the current one was told to end
	with    map[string]string // extra variables of the current one
	next    map[string]string // extra variables of the next start
	starts  int
	deaths  []Death
	failure error // why the last start failed
}

// change changes the process's state and wakes all waiters.
func (p *Process) change(alter func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	alter()
	if p.changed != nil {
		close(p.changed)
	}
	p.changed = make(chan struct{})
}

// await waits until a condition holds. The condition is called with the state locked.
func (p *Process) await(ctx context.Context, condition func() bool) error {
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", p.Name, errors.Join(context.Cause(ctx), p.lastFailure()))
		}
		p.mu.Lock()
		if p.changed == nil {
			p.changed = make(chan struct{})
		}
		holds, changed := condition(), p.changed
		p.mu.Unlock()
		if holds {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

func (p *Process) lastFailure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failure
}

// supervise keeps the process running while it is wanted, until ctx is done.
func (p *Process) supervise(ctx context.Context) {
	pause := firstRespawn
	for p.await(ctx, func() bool { return p.wanted }) == nil {
		began := time.Now()
		p.live(ctx)
		if time.Since(began) > resetPauseAfter || p.endedOnPurpose() {
			pause = firstRespawn
		}
		rest(ctx, pause)
		pause = min(2*pause, lastRespawn)
	}
}

// endedOnPurpose reports whether the last run was ended from here, or by a failpoint that
// it was started with: that says nothing about the next run.
func (p *Process) endedOnPurpose() bool {
	deaths := p.Deaths()
	if len(deaths) == 0 {
		return false
	}
	last := deaths[len(deaths)-1]
	return last.Asked || len(last.Variables) > 0
}

// live is one run of the process.
func (p *Process) live(ctx context.Context) {
	var variables map[string]string
	p.change(func() { p.begun, variables, p.next = true, p.next, nil })
	running, err := p.launch(ctx, variables)
	if err != nil {
		p.change(func() { p.begun, p.failure = false, err })
		return
	}
	err = p.up(ctx)
	p.change(func() {
		p.begun, p.current, p.asked, p.with, p.failure = false, running, false, variables, err
		p.starts++
	})
	end := context.AfterFunc(ctx, func() { running.Signal(p.deadly()) }) // nothing else is left to stop it
	defer end()
	<-running.Done()
	p.down()
	death := Death{At: time.Now(), Cause: "exit status 0", Variables: variables}
	if err := running.Err(); err != nil {
		death.Cause = causeOf(err)
	}
	p.change(func() {
		death.Asked = p.asked
		p.current, p.with, p.deaths = nil, nil, append(p.deaths, death)
	})
}

func causeOf(err error) string {
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.String()
	}
	return err.Error()
}

// Start starts the process, with extra variables for its first run only, and waits until
// it is ready.
func (p *Process) Start(ctx context.Context, variables map[string]string) error {
	p.change(func() { p.wanted, p.next = true, maps.Clone(variables) })
	return p.AwaitReady(ctx)
}

// SetNext sets the extra variables of the next run, whenever that starts. The current run
// continues.
func (p *Process) SetNext(variables map[string]string) {
	p.change(func() { p.next = maps.Clone(variables) })
}

// Started reports whether a run that ended after the first seen deaths, or the current
// one, had the given value of an extra variable.
func (p *Process) Started(name, value string, seen int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.with[name] == value || slices.ContainsFunc(p.deaths[seen:], func(d Death) bool { return d.Variables[name] == value })
}

// Stop stops the process in an orderly way, or kills it if ctx is done first, and keeps
// it down.
func (p *Process) Stop(ctx context.Context) error {
	p.change(func() { p.wanted = false })
	if err := p.await(ctx, func() bool { return !p.begun }); err != nil {
		return err
	}
	running := p.running()
	if running == nil {
		return nil
	}
	p.change(func() { p.asked = true })
	err := running.Stop(ctx)
	return errors.Join(err, p.await(ctx, func() bool { return p.current != running }))
}

// Restart stops the process in an orderly way, starts it again, with extra variables for
// this run only, and waits until it is ready.
func (p *Process) Restart(ctx context.Context, variables map[string]string) error {
	if err := p.turnover(ctx, variables); err != nil {
		return err
	}
	return p.AwaitReady(ctx)
}

func (p *Process) turnover(ctx context.Context, variables map[string]string) error {
	p.fault.Lock()
	defer p.fault.Unlock()
	if err := p.stopSoon(ctx); err != nil {
		return err
	}
	p.change(func() { p.wanted, p.next = true, maps.Clone(variables) })
	return p.await(ctx, func() bool { return p.current != nil })
}

// Kill ends the process immediately, as kill -9 does, and returns when it is dead. For
// PostgreSQL it acts as pg_ctl stop -m immediate, because the kernel would leave its
// children alive. The process is then restarted.
func (p *Process) Kill(ctx context.Context) error {
	p.fault.Lock()
	defer p.fault.Unlock()
	running := p.running()
	if running == nil {
		return nil // it is dead already
	}
	p.change(func() { p.asked = true })
	running.Signal(p.deadly())
	return p.await(ctx, func() bool { return p.current != running })
}

// Pause stops the process with SIGSTOP and resumes it after a while.
func (p *Process) Pause(ctx context.Context, d time.Duration) error {
	p.fault.Lock()
	defer p.fault.Unlock()
	running := p.running()
	if running == nil {
		return nil
	}
	resume, err := p.pause(running)
	if err != nil {
		return fmt.Errorf("pause %s: %w", p.Name, err)
	}
	defer resume()
	rest(ctx, d)
	return nil
}

// Outage keeps the process down for a while.
func (p *Process) Outage(ctx context.Context, d time.Duration) error {
	p.fault.Lock()
	defer p.fault.Unlock()
	if err := p.stopSoon(ctx); err != nil {
		return err
	}
	rest(ctx, d)
	p.change(func() { p.wanted = true })
	return nil
}

// stopSoon stops the process, and kills it after stopGrace. Its error is that of ctx.
func (p *Process) stopSoon(ctx context.Context) error {
	stopping, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	if err := p.Stop(stopping); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// whileDown stops the process, calls do, and starts the process again.
func (p *Process) whileDown(ctx context.Context, do func() error) error {
	p.fault.Lock()
	defer p.fault.Unlock()
	if err := p.stopSoon(ctx); err != nil {
		return err
	}
	err := do()
	p.change(func() { p.wanted = true })
	return errors.Join(err, p.AwaitReady(ctx))
}

func (p *Process) running() child {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current
}

// AwaitReady waits until the process runs and accepts work.
func (p *Process) AwaitReady(ctx context.Context) error {
	for {
		if err := p.await(ctx, func() bool { return p.current != nil }); err != nil {
			return err
		}
		err := p.ready(ctx)
		if err == nil {
			return nil
		}
		if rest(ctx, readyEvery); ctx.Err() != nil {
			return fmt.Errorf("%s is not ready: %w: %w", p.Name, context.Cause(ctx), err)
		}
	}
}

// AwaitDeathAfter waits for a death after the first seen ones. To kill by a failpoint,
// count them with Deaths before arming it.
func (p *Process) AwaitDeathAfter(ctx context.Context, seen int) (death Death, err error) {
	err = p.await(ctx, func() bool {
		if len(p.deaths) <= seen {
			return false
		}
		death = p.deaths[seen]
		return true
	})
	return death, err
}

// Deaths returns how the process ended so far.
func (p *Process) Deaths() []Death {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Death(nil), p.deaths...)
}

// Starts returns how often the process was started.
func (p *Process) Starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// deadly returns the signal that kills: PostgreSQL's children would outlive a SIGKILL for
// a while and hold its files.
func (p *Process) deadly() syscall.Signal {
	if p.Name == Postgres {
		return syscall.SIGQUIT
	}
	return syscall.SIGKILL
}

// rest waits for a while, or until ctx is done.
func rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
