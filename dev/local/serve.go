package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"go.temporal.io/sdk/client"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
	"orderflow/dev/sampledata"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
)

// session is what runs through a stack that is ready: its clients, and what the command line asked for.
type session struct {
	options  options
	stack    *stack.Stack
	temporal client.Client
	events   *kurrent.Client
	states   orders.States
	outs     orders.Outs
	appender *orders.Appender
	journeys *sampledata.Generator
	binDir   string // where the binaries are
	stdout   io.Writer
	stderr   io.Writer
	notify   func(text string) // tells people what is no order's business
}

// serve does what was asked for until it is done, the context ends or a part of the stack does.
func serve(ctx context.Context, s *session) error {
	running := s.stack
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-running.Broken():
			cancel(running.Why())
		case <-ctx.Done():
		}
	}()
	closeAll, err := s.connect(ctx)
	defer closeAll()
	if err != nil {
		return err
	}
	if s.options.once {
		err = s.once(ctx)
	} else {
		err = s.live(ctx)
	}
	if why := running.Why(); why != nil { // what came of it matters less
		return errors.Join(why, incomplete(err))
	}
	return err
}

// incomplete keeps the error that says what became of the report, and drops what a broken stack made fail.
func incomplete(err error) error {
	if errors.Is(err, errIncomplete) {
		return errIncomplete
	}
	return nil
}

// connect opens the clients. What it opened is closed by the function it returns, also after an error.
func (s *session) connect(ctx context.Context) (closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, closer := range closers {
			defer closer()
		}
	}
	logger := slog.New(slog.DiscardHandler)
	s.events, err = kurrent.Open(kurrent.Config{
		URL: s.stack.Description.KurrentDBURL, AllowPlaintext: s.stack.Getenv("KURRENTDB_ALLOW_PLAINTEXT") == "true", Logger: logger,
	})
	if err != nil {
		return closeAll, config.Invalid("KURRENTDB_URL", "%s", err)
	}
	closers = append(closers, s.events.Close)
	store, err := postgres.Open(ctx, postgres.Config{
		URL: s.stack.Description.PostgresURL, MaxConns: 2, ApplicationName: "orderflow-local",
	})
	if err != nil {
		return closeAll, err
	}
	closers = append(closers, store.Close)
	temporal, err := s.stack.TemporalOptions()
	if err != nil {
		return closeAll, err
	}
	if s.temporal, err = temporalclient.Dial(ctx, temporal, logger); err != nil {
		return closeAll, err
	}
	closers = append(closers, s.temporal.Close)
	s.states = orders.States{Temporal: s.temporal, Rows: store}
	s.outs = orders.Outs{Events: s.events, View: store}
	s.appender = orders.NewAppender(s.events, s.say)
	return closeAll, nil
}

func (s *session) say(format string, args ...any) { s.notify(fmt.Sprintf(format, args...)) }

// tracker follows this run's orders through the group that the starter reads.
func (s *session) tracker() *orders.Tracker {
	stream := cmp.Or(s.stack.Getenv("STARTER_STREAM"), "$ce-order")
	group := cmp.Or(s.stack.Getenv("STARTER_GROUP"), "fulfillment")
	return orders.NewTracker(s.states, s.outs, s.events, stream, group)
}
