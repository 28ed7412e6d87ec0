package projection

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"orderflow/internal/backoff"
	"orderflow/internal/postgres"
)

const (
	// lockPollInterval is how often a waiting replica tries to take the lock.
	lockPollInterval = 2 * time.Second

	// lockCheckInterval is how often the leader verifies that it still holds the lock.
	lockCheckInterval = 2 * time.Second
)

// Locks elects one of several replicas as the leader. The real implementation is
// postgres.Pool.
type Locks interface {
	TryLock(ctx context.Context, name string) (*postgres.Lock, error)
}

// lead runs work while this replica is the leader. It returns the error of work, or an
// error if leadership is lost. Two replicas that both consider themselves the leader do
// no harm: the view's position lets only one of them write.
func lead(ctx context.Context, l Locks, name string, logger *slog.Logger, work func(context.Context) error) error {
	lock, err := awaitLeadership(ctx, l, name, logger)
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
				cancel(fmt.Errorf("another replica may lead now: %w", err))
			}
			_ = backoff.Sleep(ctx, lockCheckInterval)
		}
	}()
	err = work(ctx)
	cancel(err)
	<-checked // the lock's connection serves one query at a time
	return err
}

// awaitLeadership waits until this replica holds the lock.
func awaitLeadership(ctx context.Context, l Locks, name string, logger *slog.Logger) (*postgres.Lock, error) {
	for logged := false; ; {
		lock, err := l.TryLock(ctx, name)
		if err != nil || lock != nil {
			return lock, err
		}
		if !logged {
			logger.Info("waiting for leadership")
			logged = true
		}
		if err := backoff.Sleep(ctx, lockPollInterval); err != nil {
			return nil, err
		}
	}
}
