package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/sampledata"
)

// firstOrder is when the orders of --generate begin: the same seed makes the same ones on any day.
func firstOrder() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

// appendAll appends the files' streams, then what is to be generated at once.
func (s *session) appendAll(ctx context.Context, tracker *orders.Tracker) error {
	for _, stream := range s.options.streams {
		tracker.Note(stream) // all of them first: a later event may belong to an earlier order
	}
	for _, stream := range s.options.streams {
		if err := s.appender.Append(ctx, stream); err != nil {
			return err
		}
	}
	for range s.options.generate {
		streams := s.journeys.Next()
		for _, stream := range streams {
			tracker.Note(stream)
		}
		if err := s.appendJourney(ctx, streams); err != nil {
			return err
		}
	}
	return nil
}

// generate places orders at the rate that was asked for, until the context ends.
func (s *session) generate(ctx context.Context) error {
	if s.options.rate == 0 {
		return nil
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.options.rate))
	defer tick.Stop()
	for {
		if err := s.appendJourney(ctx, s.journeys.NextAt(time.Now())); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// appendJourney appends what the generator made up. Another content under the same ids was made from the same seed.
func (s *session) appendJourney(ctx context.Context, streams []sampledata.Stream) error {
	for _, stream := range streams {
		err := s.appender.Append(ctx, stream)
		var different *orders.DifferentError
		if errors.As(err, &different) {
			return fmt.Errorf("the seed %d was used here before, take another one or --fresh: %w", s.options.seed, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
