package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A check that fails during startup is repeated after a pause, which doubles from
// firstPause to lastPause.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Life is the lifecycle of a daemon: it starts, works and stops. It is ready only while
// it works. It is safe for concurrent use.
type Life struct {
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

func newLife(o Options) *Life {
	l := &Life{logger: o.Logger, reason: "it is starting", retries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_startup_retries_total", Help: "Failed checks during startup, by dependency.",
	}, []string{"dependency"})}
	if o.Metrics != nil {
		o.Metrics.Registry.MustRegister(l.retries)
	}
	return l
}

// Working makes the daemon ready, unless it is stopping.
func (l *Life) Working() { l.setPhase(working, "") }

func (l *Life) stop() { l.setPhase(stopping, "it is stopping") }

// setPhase never returns to an earlier phase.
func (l *Life) setPhase(next phase, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if next >= l.phase {
		l.phase, l.reason = next, reason
	}
}

// check returns an error unless the daemon works. It is part of readiness.
func (l *Life) check() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == working {
		return nil
	}
	return errors.New("takes no work: " + l.reason)
}

// Await repeats a check until it passes, and then returns nil. It returns the check's
// error if mayPass reports false for it, and wraps ctx's error if ctx ends first. During
// startup, readiness shows the last error. Each new error is logged once, with the
// command that repairs it if the error has a method Repair() string.
func (l *Life) Await(
	ctx context.Context, dependency string, check Check, mayPass func(error) bool,
) error {
	logged := ""
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := check(ctx)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return fmt.Errorf("wait for %s: %w", dependency, ctx.Err())
		case !mayPass(err):
			return err
		}
		l.retries.WithLabelValues(dependency).Inc()
		l.setPhase(starting, err.Error())
		if err.Error() != logged {
			logged = err.Error()
			l.logWait(ctx, dependency, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", dependency, ctx.Err())
		case <-time.After(pause):
		}
	}
}

// logWait logs an outage as a warning, and what an operator has to repair as an error.
func (l *Life) logWait(ctx context.Context, dependency string, err error) {
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
