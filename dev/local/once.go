package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/postgres"
)

const (
	// lookEvery is how often the orders of a report are queried.
	lookEvery = 200 * time.Millisecond

	// progressEvery is how often progress is printed while waiting for a report.
	progressEvery = 5 * time.Second

	// lastLook bounds the final query of every order after the timeout.
	lastLook = 10 * time.Second
)

// errIncomplete reports that some orders of the report are still in progress.
var errIncomplete = errors.New("not every order is settled")

// once appends this run's orders, waits until all are settled, and prints the report.
func (s *session) once(ctx context.Context) error {
	began := time.Now()
	pool, err := postgres.Open(ctx, postgres.Config{
		URL: s.stack.Description.PostgresURL, MaxConns: 2, ApplicationName: "orderflow-local",
	})
	if err != nil {
		return err
	}
	defer pool.Close()
	waiting, cancel := context.WithTimeoutCause(ctx, s.options.timeout, fmt.Errorf("%w within %s", errIncomplete, s.options.timeout))
	defer cancel()
	tracker := s.tracker(postgres.NewCustomerView(pool))
	if err = s.appendAll(waiting, tracker.Note); err != nil {
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

// tracker returns a Tracker for this run's orders, on the subscription that the starter
// reads.
func (s *session) tracker(view orders.ViewOrders) *orders.Tracker {
	stream := cmp.Or(s.stack.Getenv("STARTER_STREAM"), "$ce-order")
	group := cmp.Or(s.stack.Getenv("STARTER_GROUP"), "fulfillment")
	return orders.NewTracker(s.api, orders.Stores{Events: s.events, View: view}, s.events, stream, group)
}

// settle waits until all orders are settled.
func (s *session) settle(ctx context.Context, tracker *orders.Tracker) error {
	look, progress := time.NewTicker(lookEvery), time.NewTicker(progressEvery)
	defer look.Stop()
	defer progress.Stop()
	var printed string
	for {
		err := tracker.Look(ctx)
		if tracker.Settled() {
			return nil
		}
		select {
		case <-look.C:
		case <-progress.C:
			if text := tracker.Progress(); text != printed {
				s.say("%s", text)
				printed = text
			}
		case <-ctx.Done():
			return errors.Join(because(ctx, ctx.Err()), notCanceled(err))
		}
	}
}

// lookOnce queries every order once more, so that the report is up to date.
func (s *session) lookOnce(ctx context.Context, tracker *orders.Tracker) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
	defer cancel()
	_ = tracker.LookAtAll(ctx) // on error the report shows the last known state
}

// because returns the reason why a wait ended. An interrupted wait is errIncomplete too.
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

func notCanceled(err error) error {
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
