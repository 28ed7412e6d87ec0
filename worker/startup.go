package main

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// startup waits for what the worker needs before it takes work: a migrated database, Temporal, and a namespace with the
// search attributes. Until then the process lives, and /readyz says what it waits for.
type startup struct {
	logger  *slog.Logger
	retries *prometheus.CounterVec

	reason   atomic.Pointer[string] // why the worker takes no work; nil once it does
	temporal atomic.Pointer[client.Client]
}

func newStartup(registry prometheus.Registerer, logger *slog.Logger) *startup {
	s := &startup{logger: logger, retries: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_startup_retries_total", Help: "Failed checks before the worker takes work, by what it waits for.",
	}, []string{"dependency"})}
	registry.MustRegister(s.retries)
	s.waitFor("it is starting")
	return s
}

func (s *startup) waitFor(reason string) { s.reason.Store(&reason) }

// finish is called when the worker has started to poll.
func (s *startup) finish() { s.reason.Store(nil) }

// checks returns the readiness checks of the worker, which may be asked before it is connected.
func (s *startup) checks(d drivers) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"worker": s.checkFinished, "temporal": s.checkTemporal, "postgres": d.store.Ping, "kurrentdb": d.events.Ping,
	}
}

func (s *startup) checkFinished(context.Context) error {
	if reason := s.reason.Load(); reason != nil {
		return errors.New("takes no work: " + *reason)
	}
	return nil
}

func (s *startup) checkTemporal(ctx context.Context) error {
	c := s.temporal.Load()
	if c == nil {
		return errors.New("not connected yet")
	}
	return temporalclient.Check(*c)(ctx)
}

// connect returns Temporal's client once everything is there. Its error is ctx's, or says what no waiting heals.
func (s *startup) connect(ctx context.Context, d drivers) (client.Client, error) {
	if err := s.await(ctx, "postgres", d.store.CheckSchema, func(err error) bool {
		return errors.Is(err, postgres.ErrUnavailable) // an operator has to migrate a schema that is too old
	}); err != nil {
		return nil, err
	}
	s.waitFor("Temporal does not answer")
	c, err := temporalclient.Dial(ctx, d.temporal, s.logger)
	if err != nil {
		return nil, err
	}
	s.temporal.Store(&c)
	err = s.await(ctx, "namespace", func(ctx context.Context) error {
		return temporalclient.CheckNamespace(ctx, c, d.temporal.Namespace, workflows.SearchAttributes())
	}, func(error) bool { return true })
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// await repeats a check until it passes, as long as its error is one that may pass. It logs each new error once.
func (s *startup) await(
	ctx context.Context, dependency string, check func(context.Context) error, passing func(error) bool,
) error {
	logged := ""
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := check(ctx)
		if err == nil || !passing(err) {
			return err
		}
		s.retries.WithLabelValues(dependency).Inc()
		s.waitFor(err.Error())
		if err.Error() != logged {
			logged = err.Error()
			s.logger.Error("taking no work", append([]any{"waiting_for", dependency, "error", err}, repair(err)...)...)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// repair returns the log attribute with the command that heals the error, if one does.
func repair(err error) []any {
	if lacking, ok := errors.AsType[*temporalclient.AttributesError](err); ok {
		return []any{"repair", lacking.Repair()}
	}
	return nil
}
