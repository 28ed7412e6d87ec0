package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/sampledata"
)

// firstOrder returns the fixed start time for orders of --generate, so that a seed
// produces the same orders on any day.
func firstOrder() time.Time { return time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC) }

// appendAll appends the streams of the files, then the orders of --generate. It calls note
// with each stream before it appends it.
func (s *session) appendAll(ctx context.Context, note func(sampledata.Stream)) error {
	for _, stream := range s.options.streams {
		note(stream) // note all of them first: a later event may belong to an earlier order
	}
	for _, stream := range s.options.streams {
		if err := s.appender.Append(ctx, stream); err != nil {
			return err
		}
	}
	for range s.options.generate {
		streams := s.generator.Next()
		for _, stream := range streams {
			note(stream)
		}
		if err := s.appendScenario(ctx, streams); err != nil {
			return err
		}
	}
	return nil
}

// generate places orders at the requested rate until ctx is done.
func (s *session) generate(ctx context.Context) error {
	if s.options.rate == 0 {
		return nil
	}
	tick := time.NewTicker(time.Duration(float64(time.Second) / s.options.rate))
	defer tick.Stop()
	for {
		if err := s.appendScenario(ctx, s.generator.NextAt(time.Now())); err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// appendScenario appends generated streams. If an id already exists with different
// content, it was generated earlier from the same seed.
func (s *session) appendScenario(ctx context.Context, streams []sampledata.Stream) error {
	for _, stream := range streams {
		err := s.appender.Append(ctx, stream)
		var different *orders.DifferentError
		if errors.As(err, &different) {
			return fmt.Errorf("seed %d was used here before, use another one or --fresh: %w", s.options.seed, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
