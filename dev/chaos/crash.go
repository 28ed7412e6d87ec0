package main

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/workflowservice/v1"

	"orderflow/dev/chaos/internal/crash"
	"orderflow/dev/chaos/internal/load"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// crash crashes the binaries at each failpoint the requested number of times, while
// orders are in progress. It records the crashes that did not occur: a point that was
// never reached proves nothing.
func (s *session) crash(ctx context.Context, workload *load.Load) error {
	if s.options.crashes == 0 {
		return nil
	}
	points, err := crash.Select(s.options.only)
	if err != nil {
		return err
	}
	plan, err := crash.Plan(points, s.options.crashes, s.options.seed)
	if err != nil {
		return err
	}
	if err := s.heal(ctx); err != nil {
		return err
	}
	s.say("%d crashes at %d points", len(plan), len(points))
	began := s.elapsed()
	result, err := crash.Run(ctx, crash.Matrix{
		Rig: s.rig, Workload: workload, Backlog: s.pending, Plan: plan, Say: s.faultLog(),
	})
	s.report.Crashes, s.missed = result.Crashes, errors.Join(result.Missed...)
	s.say("crashed %d times in %.0f s", result.Total(), (s.elapsed() - began).Seconds())
	return err
}

// pending returns the number of orders that are not settled yet.
func (s *session) pending(ctx context.Context) (int64, error) {
	answer, err := s.stores.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf(`WorkflowType = %q AND ExecutionStatus = "Running" AND OrderStatus = %q`,
			workflows.OrderFulfillmentType, order.StatusPending),
	})
	return answer.GetCount(), err
}
