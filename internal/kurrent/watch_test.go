package kurrent_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	const (
		unclear, delivering = kurrent.Unclear, kurrent.Delivering
		silent, denied      = kurrent.Silent, kurrent.Denied
	)
	for name, c := range map[string]struct {
		findings  []kurrent.Finding // then the context ends
		maxDenied int
		want      error
	}{
		"silent looks in a row":              {findings: []kurrent.Finding{silent, silent, silent}, want: kurrent.ErrSilent},
		"a failed look between silent ones":  {findings: []kurrent.Finding{silent, unclear, silent, silent}, want: kurrent.ErrSilent},
		"an event between silent looks":      {findings: []kurrent.Finding{silent, silent, delivering, silent, silent}},
		"denied looks in a row":              {findings: []kurrent.Finding{denied, denied}, maxDenied: 2, want: kurrent.ErrSilent},
		"an event between denied looks":      {findings: []kurrent.Finding{denied, delivering, denied}, maxDenied: 2},
		"denied looks without a limit":       {findings: []kurrent.Finding{denied, denied, denied, denied}},
		"looks that fail while it is silent": {findings: []kurrent.Finding{unclear, unclear, unclear, unclear}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := c.findings
			err := kurrent.Watch{Every: time.Millisecond, MaxSilent: 3, MaxDenied: c.maxDenied}.Run(ctx, func(context.Context) kurrent.Finding {
				if len(left) == 0 {
					cancel()
					return kurrent.Unclear
				}
				next := left[0]
				left = left[1:]
				return next
			})
			require.ErrorIs(t, err, c.want)
			require.Empty(t, left)
		})
	}
}
