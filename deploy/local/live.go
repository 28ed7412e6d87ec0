package main

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// live appends what was asked for, then generated orders as time goes by, and shows every order's way, until the context
// ends.
func (s *session) live(ctx context.Context) error {
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := s.appendAll(working, s.tracker()); err != nil {
			return err
		}
		return s.generate(working)
	})
	group.Go(func() error {
		<-working.Done()
		return nil
	})
	err := group.Wait()
	if ctx.Err() != nil { // asked to stop: what was cut off is no fault
		return nil
	}
	return err
}
