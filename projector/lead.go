package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"orderflow/internal/postgres"
)

const (
	// waitForLead is how often a replica that waits asks whether it is its turn.
	waitForLead = 2 * time.Second

	// checkLead is how often the working replica makes sure that it still is.
	checkLead = 2 * time.Second
)

// locks makes one of several replicas the working one. The real one is postgres.Store.
type locks interface {
	TryLock(ctx context.Context, name string) (*postgres.Lock, error)
}

// lead does the work while this replica is the working one, and ends with the work's error or when it no longer is. Two
// that both believe it do no harm: the view's position lets only one of them write.
func lead(ctx context.Context, l locks, name string, logger *slog.Logger, work func(context.Context) error) error {
	lock, err := turn(ctx, l, name, logger)
	if err != nil {
		return err
	}
	defer lock.Release()
	ctx, cancel := context.WithCancelCause(ctx)
	checked := make(chan struct{})
	go func() {
		defer close(checked)
		for ctx.Err() == nil {
			if err := lock.Check(ctx); err != nil && ctx.Err() == nil {
				cancel(fmt.Errorf("another replica may work now: %w", err))
			}
			pause(ctx, checkLead)
		}
	}()
	err = work(ctx)
	cancel(err)
	<-checked // the lock's connection takes one question at a time
	return err
}

// turn waits until this replica is the working one.
func turn(ctx context.Context, l locks, name string, logger *slog.Logger) (*postgres.Lock, error) {
	for told := false; ; {
		lock, err := l.TryLock(ctx, name)
		if err != nil || lock != nil {
			return lock, err
		}
		if !told {
			logger.Info("another replica works, waiting for its end")
			told = true
		}
		if pause(ctx, waitForLead); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}
