package reconcile

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

func TestRetryCall(t *testing.T) {
	t.Parallel()
	late := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	fails := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	for name, c := range map[string]struct {
		first func(context.Context) error // how the first call ends; the second succeeds
		calls int
	}{
		"retries after a timeout":              {late, 2},
		"retries if the server is unavailable": {fails(serviceerror.NewUnavailable("restarting")), 2},
		"retries if the server is overloaded":  {fails(serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy")), 2},
		"does not retry a missing workflow":    {fails(serviceerror.NewNotFound("no such workflow")), 1},
		"does not retry a refusal":             {fails(serviceerror.NewInvalidArgument("too long")), 1},
		"does not retry a workflow's failure":  {fails(temporal.NewApplicationError("rejected", "rejected")), 1},
		"does not repeat a successful call":    {fails(nil), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, calls := &reconciliation{logger: slog.New(slog.DiscardHandler)}, 0
				_ = r.retryCall(t.Context(), callTimeout, func(ctx context.Context) error {
					if calls++; calls == 1 {
						return c.first(ctx)
					}
					return nil
				})
				require.Equal(t, c.calls, calls)
			})
		})
	}
	t.Run("gives up in the end", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			r, calls := &reconciliation{logger: slog.New(slog.DiscardHandler)}, 0
			err := r.retryCall(t.Context(), callTimeout, func(ctx context.Context) error {
				calls++
				return late(ctx)
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, maxTries, calls)
		})
	})
}
