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

// session holds the options and the clients of a run against a ready stack.
type session struct {
	options   options
	stack     *stack.Stack
	temporal  client.Client
	events    *kurrent.Client
	states    orders.States
	outcomes  orders.Stores
	appender  *orders.Appender
	generator *sampledata.Generator
	binDir    string // where the binaries are
	stdout    io.Writer
	stderr    io.Writer
	notify    func(text string) // shows a message that does not belong to an order
}

// serve runs the requested mode until it is done, ctx is done, or a part of the stack
// ends.
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
	if why := running.Why(); why != nil { // errors caused by the broken stack matter less
		return errors.Join(why, incomplete(err))
	}
	return err
}

// incomplete keeps errIncomplete and drops errors that the broken stack caused.
func incomplete(err error) error {
	if errors.Is(err, errIncomplete) {
		return errIncomplete
	}
	return nil
}

// connect opens the clients. closeAll closes what was opened, also after an error.
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
	s.outcomes = orders.Stores{Events: s.events, View: store}
	s.appender = orders.NewAppender(s.events, s.say)
	return closeAll, nil
}

func (s *session) say(format string, args ...any) { s.notify(fmt.Sprintf(format, args...)) }

// tracker returns a Tracker for this run's orders, on the subscription that the starter
// reads.
func (s *session) tracker() *orders.Tracker {
	stream := cmp.Or(s.stack.Getenv("STARTER_STREAM"), "$ce-order")
	group := cmp.Or(s.stack.Getenv("STARTER_GROUP"), "fulfillment")
	return orders.NewTracker(s.states, s.outcomes, s.events, stream, group)
}
