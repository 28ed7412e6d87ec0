package projection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/backoff"
	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// Rebuild builds a new view alongside the live one and replaces it. A rebuild that was
// interrupted starts again from the beginning.
func Rebuild(ctx context.Context, events Events, pool *postgres.Pool, logger *slog.Logger) error {
	return lead(ctx, pool, "projector rebuild", logger, func(ctx context.Context) error {
		return build(ctx, events, postgres.NewCustomerView(pool), lagInterval, logger)
	})
}

// build follows the log until it has caught up. It starts again after a session that
// received nothing for too many looks, which are watchEvery apart.
func build(
	ctx context.Context, events Events, store *postgres.CustomerView, watchEvery time.Duration, logger *slog.Logger,
) error {
	if err := store.BeginRebuild(ctx); err != nil {
		return err
	}
	p := &Projection{
		name: postgres.ProjectionRebuild, events: events, store: store, metrics: NewMetrics(prometheus.NewRegistry()), logger: logger, untilCaughtUp: true,
	}
	watchCtx, stopWatching := context.WithCancel(ctx)
	var watching sync.WaitGroup
	defer watching.Wait()
	defer stopWatching()
	watching.Go(func() { p.watch(watchCtx, watchEvery) })
	began := time.Now()
	for {
		err := p.session(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil || !isTemporary(err) {
			return fmt.Errorf("rebuild: %w", err)
		}
		logger.Warn("following the log ended, retrying", "error", err)
		_ = backoff.Sleep(ctx, time.Second)
	}
	failpoint.Hit("projector.rebuild.before")
	if err := store.FinishRebuild(ctx, p.position); err != nil {
		return err
	}
	failpoint.Hit("projector.rebuild.after")
	logger.Info("view rebuilt", "seconds", time.Since(began).Seconds())
	return nil
}

// isTemporary reports whether a session that ended with err may succeed when it is
// repeated.
func isTemporary(err error) bool {
	return errors.Is(err, kurrent.ErrUnavailable) || errors.Is(err, kurrent.ErrSilent) ||
		errors.Is(err, postgres.ErrUnavailable)
}
