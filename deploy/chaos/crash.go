package main

import (
	"context"

	"orderflow/deploy/chaos/internal/load"
)

// crash has the binaries crash at each failpoint as often as was asked for, while the workload's orders are about. It fills
// report.Crashes.
func (s *session) crash(_ context.Context, _ *load.Load) error { return nil }
