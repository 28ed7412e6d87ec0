package e2e_test

import (
	"time"

	"github.com/stretchr/testify/require"
)

// requireLimits tries what the page says of this CLI and this server that their help does
// not say. It is called while the emails of two orders wait for their next attempt.
func (r *cliPageRig) requireLimits() {
	r.t.Helper()
	refused := func(command, message string) {
		r.t.Helper()
		require.Contains(r.t, r.shell.run(command+" 2>&1 || echo refused"), message+"\nrefused")
	}
	refused(`temporal workflow count --query 'GROUP BY OrderStatus'`, `'group by' clause is only supported for ExecutionStatus search attribute"`)
	refused(`temporal worker list`, `method ListWorkers not supported"`)
	refused(`temporal activity update-options --query 'ExecutionStatus="Running"' --activity-type SendEmail --start-to-close-timeout 1m --yes`,
		`Either activity type must be set, or restore original should be set to true"`)

	next := []time.Time{r.nextAttempt(r.waiting[0]), r.nextAttempt(r.waiting[1])}
	require.Contains(r.t, r.batch(`temporal activity reset --query 'ExecutionStatus="Running"' --match-all`), "Completed")
	require.Equal(r.t, next, []time.Time{r.nextAttempt(r.waiting[0]), r.nextAttempt(r.waiting[1])}, "nothing was reset")

	r.shell.run(`temporal activity pause --workflow-id ` + r.waiting[0] + ` --activity-type SendEmail`)
	r.awaitListed(`TemporalPauseInfo="property:activityType=SendEmail"`, 1)
	require.Contains(r.t, r.batch(`temporal activity unpause --query 'WorkflowId="no-order"' --activity-type SendEmail`), "1/1")
	r.awaitBackoff("SendEmail", r.waiting[0])

	// At one order in a quarter of an hour, this job would not end.
	require.Contains(r.t, r.batch(`temporal workflow signal --query 'ExecutionStatus="Running"' --name noise --rps 0.001`), "Completed")
}

// batch runs a command that starts a batch job, and returns the description of the job at
// its end.
func (r *cliPageRig) batch(command string) string {
	r.t.Helper()
	r.awaitBatchJobs()
	return r.shell.run(`await_batch "$(` + command + ` --yes --output json | jq -r .batchJobId)"`)
}

// nextAttempt returns when the only pending activity of an order is attempted again.
func (r *cliPageRig) nextAttempt(id string) time.Time {
	r.t.Helper()
	description, err := r.temporal.DescribeWorkflow(r.t.Context(), id, "")
	require.NoError(r.t, err)
	pending := description.RawResponse.GetPendingActivities()
	require.Len(r.t, pending, 1)
	return pending[0].GetNextAttemptScheduleTime().AsTime()
}
