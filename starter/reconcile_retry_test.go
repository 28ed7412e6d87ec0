package main

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

func TestReconciliationPatiently(t *testing.T) {
	t.Parallel()
	late := func(ctx context.Context) error {
		<-ctx.Done()
		return ctx.Err()
	}
	fails := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	for name, c := range map[string]struct {
		first func(context.Context) error // how the first call ends; the second is answered
		calls int
	}{
		"asks again where there is no answer in time":   {late, 2},
		"asks again where the server is not there":      {fails(serviceerror.NewUnavailable("restarting")), 2},
		"asks again where it has too much to do":        {fails(serviceerror.NewResourceExhausted(enums.RESOURCE_EXHAUSTED_CAUSE_RPS_LIMIT, "busy")), 2},
		"takes what is not there for an answer":         {fails(serviceerror.NewNotFound("no such workflow")), 1},
		"takes a refusal for an answer":                 {fails(serviceerror.NewInvalidArgument("too long")), 1},
		"takes how a workflow ended for an answer":      {fails(temporal.NewApplicationError("rejected", "rejected")), 1},
		"leaves alone what was answered the first time": {fails(nil), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r, calls := &reconciliation{logger: slog.New(slog.DiscardHandler)}, 0
				_ = r.retryCall(t.Context(), func(ctx context.Context) error {
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
			err := r.retryCall(t.Context(), func(ctx context.Context) error {
				calls++
				return late(ctx)
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, maxTries, calls)
		})
	})
}
