package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/activities"
	"orderflow/workflows"
)

// lastReconciliation is the newest completed run of Reconciliation. It is read from
// Temporal, so it survives the worker that compared, and every worker shows the same.
type lastReconciliation struct {
	client    client.Client
	namespace string

	runID    string // empty before the first
	closedAt time.Time
	result   activities.Reconciled
}

// read reports whether any run has completed. It reads the result of each run once.
func (l *lastReconciliation) read(ctx context.Context) (found bool, err error) {
	listed, err := l.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: l.namespace, PageSize: 1, // the newest comes first
		Query: fmt.Sprintf("WorkflowType = '%s' AND ExecutionStatus = 'Completed'", workflows.ReconciliationType),
	})
	if err != nil || len(listed.GetExecutions()) == 0 {
		return false, err
	}
	newest := listed.GetExecutions()[0]
	id, run := newest.GetExecution().GetWorkflowId(), newest.GetExecution().GetRunId()
	if run == l.runID {
		return true, nil
	}
	var result activities.Reconciled
	if err := l.client.GetWorkflow(ctx, id, run).Get(ctx, &result); err != nil {
		return false, err
	}
	l.runID, l.closedAt, l.result = run, newest.GetCloseTime().AsTime(), result
	return true, nil
}

// reconciliationCounts counts the differences that the last comparison left, and says when
// that was. There are no samples before the first, or after its retention.
func reconciliationCounts(c client.Client, namespace string) []globalCount {
	last := &lastReconciliation{client: c, namespace: namespace}
	count := func(values func() map[string]int64) func(context.Context) (map[string]int64, error) {
		return func(ctx context.Context) (map[string]int64, error) {
			found, err := last.read(ctx)
			if err != nil || !found {
				return nil, err
			}
			return values(), nil
		}
	}
	return []globalCount{
		{
			name: "reconcile", desc: prometheus.NewDesc("orderflow_reconcile_differences",
				"Differences that the last completed comparison of the stores left, by kind.", []string{"kind"}, nil),
			count: count(func() map[string]int64 {
				left := map[string]int64{}
				for kind, n := range last.result.Left {
					left[kind] = int64(n)
				}
				return left
			}),
		},
		{
			name: "reconcile_completed", desc: prometheus.NewDesc("orderflow_reconcile_completed_timestamp_seconds",
				"When the last comparison of the stores completed, in seconds since 1970.", nil, nil),
			count: count(func() map[string]int64 { return map[string]int64{"": last.closedAt.Unix()} }),
		},
	}
}
