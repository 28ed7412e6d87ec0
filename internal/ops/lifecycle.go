package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/backoff"
)

// Dependency is a server that a daemon waits for at startup.
type Dependency struct {
	Name    string
	Check   Check
	MayPass func(error) bool // reports whether waiting may clear the check's error; nil means any error
}

// startupBackoff is the backoff before a check that failed during startup is repeated.
var startupBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 5 * time.Second}

// lifecycle is the current phase of a daemon: it starts, works and stops. It is ready
// only while it works. It is safe for concurrent use.
type lifecycle struct {
	logger  *slog.Logger
	retries *prometheus.CounterVec

	mu     sync.Mutex
	reason string // why it is not ready; empty while it works
	phase  phase
}

type phase int

const (
	starting phase = iota
	working
	stopping
)

func newLifecycle(o Options) *lifecycle {
	l := &lifecycle{logger: o.Logger, reason: "it is starting", retries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_startup_retries_total", Help: "Failed checks during startup, by dependency.",
	}, []string{"dependency"})}
	for _, dependency := range slices.Concat(o.Await, o.Verify) {
		l.retries.WithLabelValues(dependency.Name) // a series that starts at 0 can trigger an alert at its first failure
	}
	if o.Metrics != nil {
		o.Metrics.Registry.MustRegister(l.retries)
	}
	return l
}

// ready makes the daemon ready, unless it is stopping.
func (l *lifecycle) ready() { l.setPhase(working, "") }

func (l *lifecycle) stop() { l.setPhase(stopping, "it is stopping") }

// setPhase never returns to an earlier phase.
func (l *lifecycle) setPhase(next phase, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next >= l.phase {
		l.phase, l.reason = next, reason
	}
}

// check returns an error unless the daemon works. It is part of readiness.
func (l *lifecycle) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == working {
		return nil
	}
	return errors.New("takes no work: " + l.reason)
}

// await repeats a dependency's check until it passes, and then returns nil. It returns
// the check's error if waiting cannot clear it, and wraps ctx's error if ctx ends first.
// During startup, readiness shows the last error. Each new error is logged once.
func (l *lifecycle) await(ctx context.Context, d Dependency) error {
	logged := ""
	for failures := 0; ; failures++ {
		err := d.Check(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait for %s: %w", d.Name, ctx.Err())
		case d.MayPass != nil && !d.MayPass(err):
			return err
		}
		l.retries.WithLabelValues(d.Name).Inc()
		l.setPhase(starting, err.Error())
		if err.Error() != logged {
			logged = err.Error()
			l.logWaiting(ctx, d.Name, err)
		}
		if err := startupBackoff.Wait(ctx, failures); err != nil {
			return fmt.Errorf("wait for %s: %w", d.Name, err)
		}
	}
}

// logWaiting logs an outage as a warning, and what an operator has to repair as an error,
// with the command that repairs it if the error has a method Repair() string.
func (l *lifecycle) logWaiting(ctx context.Context, dependency string, err error) {
	level, attributes := slog.LevelWarn, []any{"waiting_for", dependency, "error", err}
	if blocked, ok := errors.AsType[interface {
		error
		Blocked() bool
	}](err); ok && blocked.Blocked() {
		level = slog.LevelError
	}
	if repairable, ok := errors.AsType[interface {
		error
		Repair() string
	}](err); ok {
		level, attributes = slog.LevelError, append(attributes, "repair", repairable.Repair())
	}
	l.logger.Log(ctx, level, "waiting", attributes...)
}
