package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
	"orderflow/dev/sampledata"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// session holds the options and the clients of a run against a ready stack.
type session struct {
	options   options
	stack     *stack.Stack
	api       orders.API
	events    *kurrent.Client
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
	if err := s.connect(); err != nil {
		return err
	}
	defer s.events.Close()
	var err error
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

// connect opens the clients that every mode uses.
func (s *session) connect() (err error) {
	access := s.stack.Access()
	s.api = orders.API{URL: s.stack.Description.APIURL, Token: access.Token, HTTP: access.HTTP}
	s.events, err = kurrent.Open(kurrent.Config{
		URL: s.stack.Description.KurrentDBURL, AllowPlaintext: s.stack.Getenv("KURRENTDB_ALLOW_PLAINTEXT") == "true",
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return config.Invalid("KURRENTDB_URL", "%s", err)
	}
	s.appender = orders.NewAppender(s.events, s.say)
	return nil
}

func (s *session) say(format string, args ...any) { s.notify(fmt.Sprintf(format, args...)) }
