package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/dev/local/internal/orders"
)

const (
	// lookEvery is how often the orders of a report are asked about.
	lookEvery = 200 * time.Millisecond

	// tellEvery is how often somebody who waits for a report hears how far it is.
	tellEvery = 5 * time.Second

	// lastLook bounds the look at where everything stands when the time is up.
	lastLook = 10 * time.Second
)

// errIncomplete says that the report is about orders some of which are still on their way.
var errIncomplete = errors.New("not every order is at rest")

// once appends this run's orders, waits until each is where it rests, and prints the report.
func (s *session) once(ctx context.Context) error {
	began := time.Now()
	waiting, cancel := context.WithTimeoutCause(ctx, s.options.timeout, fmt.Errorf("%w within %s", errIncomplete, s.options.timeout))
	defer cancel()
	tracker := s.tracker()
	err := s.appendAll(waiting, tracker)
	if err != nil {
		err = because(waiting, err)
	} else {
		err = s.settle(waiting, tracker)
	}
	var different *orders.DifferentError
	if errors.As(err, &different) {
		return err
	}
	if err != nil {
		s.lookOnce(ctx, tracker)
	}
	return errors.Join(s.print(tracker.Report(time.Since(began))), err)
}

// settle waits until all orders rest.
func (s *session) settle(ctx context.Context, tracker *orders.Tracker) error {
	look, tell := time.NewTicker(lookEvery), time.NewTicker(tellEvery)
	defer look.Stop()
	defer tell.Stop()
	var told string
	for {
		err := tracker.Look(ctx)
		if tracker.Settled() {
			return nil
		}
		select {
		case <-look.C:
		case <-tell.C:
			if progress := tracker.Progress(); progress != told {
				s.say("%s", progress)
				told = progress
			}
		case <-ctx.Done():
			return errors.Join(because(ctx, ctx.Err()), notCancelled(err))
		}
	}
}

// lookOnce asks about everything once more, so that the report says where it stands.
func (s *session) lookOnce(ctx context.Context, tracker *orders.Tracker) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	_ = tracker.LookAtAll(ctx) // what is not known then stands in the report as it was
}

// because gives the reason a wait ended. One that was cut short left orders on their way too.
func because(ctx context.Context, err error) error {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return err
	case errors.Is(cause, errIncomplete):
		return cause
	default:
		return fmt.Errorf("%w: interrupted", errIncomplete)
	}
}

func notCancelled(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

func (s *session) print(report orders.Report) error {
	body, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if _, err := fmt.Fprintf(s.stdout, "%s\n", body); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
