package e2e_test

import (
	"slices"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/internal/order"
)

// batchDone is what a block prints that has followed a batch job of n orders to its end.
func batchDone(kind, n string) []string {
	return []string{`State +Completed`, `Type +` + kind, `CompletedCount +` + n + `/` + n + `$`, `FailureCount +0/`}
}

// blocks returns what is expected of the page, in its order.
func (r *cliPageRig) blocks() []cliBlock {
	return slices.Concat(r.readingBlocks(), r.stuckBlocks(), r.manyOrdersBlocks(), r.outageBlocks(), r.deploymentBlocks(), r.scheduleBlocks())
}

func (r *cliPageRig) readingBlocks() []cliBlock {
	return []cliBlock{
		{heading: "Where am I connected?", prints: []string{
			`^SERVING$`, `"retention": "86400s"`, `"OrderStuck": "INDEXED_VALUE_TYPE_KEYWORD"`, `"OrderTotalMinor": "INDEXED_VALUE_TYPE_INT"`,
		}},
		{heading: "How many orders are in which state?", prints: []string{
			`^pending: Total: 2$`, `^on-hold: Total: 3$`, `^fulfilling: Total: 6$`, `^cancelling: Total: 0$`,
			`^Group total: 11, values: Running$`, `^Group total: 1, values: Completed$`,
		}},
		{heading: "Which orders are these?", prints: []string{`Running +` + r.dearer + ` +OrderFulfillment`, `^order-\w+$`, `^customer-`}},
		{heading: "What is this order doing?", prints: []string{
			`"status": "fulfilling"`, `^- credit: reserved$`, `StaticSummary +"USD242.00 for customer-`, `^Pending Activities: 0`,
			`^coroutine root `, `waitForShipment`, `1 .+WorkflowExecutionStarted`, `UpsertWorkflowSearchAttributes`,
		}},
		{heading: "What is this order doing?", prints: []string{
			`✓ OrderFulfillment`, `✓ SendEmail`, `Status +COMPLETED`, `"status":"shipped"`,
		}},
		{heading: "How do I change one order?", prints: []string{`UpdateID +dhl-00340434292135100186`, `status:shipped`}, check: func() {
			r.closed(r.shell.variable("ORDER"))
			r.awaitListed(`OrderStatus="shipped"`, 2)
		}},
		{heading: "How do I change one order?", prints: []string{
			`^Signal workflow succeeded$`, `"code":"customer-request"`, `"status":"cancelled"`,
		}, check: func() { r.awaitListed(`OrderStatus="cancelled"`, 1) }},
	}
}

func (r *cliPageRig) stuckBlocks() []cliBlock {
	const heading = "Which orders are stuck, and why?"
	return []cliBlock{
		{heading: heading, prints: []string{
			`Running +` + r.inEuro[0], `^` + r.inEuro[1] + ` .+stuck at .reserve-credit.+no default credit limit for EUR$`,
		}},
		{heading: heading, prepare: func() { r.awaitBackoff("ReserveCredit", r.inEuro...) }, prints: []string{
			`"type": "ReserveCredit"`, `"attempt": [2-9]`, `"nextAttemptScheduleTime": ("20\S+"|null)`, // null while an attempt runs
			`"failure": ".*no default credit limit for EUR"`,
		}},
		{heading: heading, prints: []string{`(?s)"limit":"EUR900.00".*"limit":"EUR900.00"`}},
		{
			heading: heading, prints: append(batchDone("ResetActivity", `\d`), `(KeepPaused|has proceeded already)`),
			check: func() {
				for _, id := range r.inEuro {
					r.awaitStatus(id, order.StatusFulfilling)
				}
				r.inEuro = append(r.inEuro, r.place(orderSpec{price: "EUR100.00"})) // for the block about a slow store
			},
		},
	}
}

func (r *cliPageRig) manyOrdersBlocks() []cliBlock {
	const many, terminated = "How do I change many orders?", "What happens to an order that I terminate?"
	settled := func() { r.awaitListed(`OrderStatus="fulfilling" AND ExecutionStatus="Running"`, 1) }
	return []cliBlock{
		{
			heading: many, prints: append(batchDone("Signal", "2"), `Running +`+r.held[0], `Running +`+r.held[1], `Completed +\d`),
			check: func() {
				for _, id := range r.held {
					r.awaitMail(id, order.StatusFulfilling, "sent")
				}
				r.awaitStatus(r.dearer, order.StatusOnHold)
			},
		},
		{heading: many, prepare: settled, prints: batchDone("Cancel", "1"), check: func() {
			r.awaitListed(`CustomerId="`+r.shell.variable("CUSTOMER")+`" AND ExecutionStatus="Canceled"`, 1)
		}},
		{heading: many, prepare: r.startEndlessBatch, prints: []string{`^Terminated Batch Job`}},
		{
			heading: terminated, prepare: settled,
			prints: append(batchDone("Terminate", "1"), `^exit code 3: differences$`, `^order-\w+ +held +terminated +fulfilling +reserved +no`, `reserved +yes`),
			check: func() {
				lost := r.shell.variable("LOST")
				require.Equal(r.t, []string{"cancelled", "CANCELLED", "TERMINATED"}, r.row(lost, "status", "reason", "code"))
				require.Equal(r.t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, r.closed("repair-"+lost))
			},
		},
	}
}

// startEndlessBatch sets JOB in the shell to a batch job that never ends, as the page says
// of it.
func (r *cliPageRig) startEndlessBatch() {
	r.t.Helper()
	r.shell.run(`JOB=$(temporal activity unpause --query 'ExecutionStatus="Running"' --match-all --yes --output json | jq -r .batchJobId)`)
	require.Contains(r.t, r.shell.run(`temporal activity reset --query 'ExecutionStatus="Running"' --activity-type SendEmail --yes 2>&1 || true`),
		"Max concurrent batch operations is reached")
}

func (r *cliPageRig) outageBlocks() []cliBlock {
	const heading = "What do I do after an outage?"
	var waiting string
	return []cliBlock{
		{
			heading: heading, prepare: r.pauseEmails, check: r.requireLimits,
			prints: []string{`order-\w+ .*confirmation`, `"type": "SendEmail"`, `"failure": "send confirmation email: SendingPausedException"`},
		},
		{heading: heading, prepare: r.resumeEmails, prints: batchDone("ResetActivity", `\d+`), check: func() {
			waiting = r.shell.variable("WAITING")
			for _, id := range r.waiting {
				if id != waiting {
					r.awaitMail(id, order.StatusFulfilling, "sent")
				}
			}
			require.Empty(r.t, r.mails(waiting), "its activity is paused")
			r.awaitListed(`TemporalPauseInfo="property:activityType=SendEmail"`, 1)
		}},
		{heading: heading, prints: []string{`Running +order-\w+ +OrderFulfillment`, `^unpaused order-`}, check: func() {
			r.awaitMail(waiting, order.StatusFulfilling, "sent")
		}},
		{heading: heading, prints: []string{`^Task Queue Statistics:`, `UNVERSIONED +activity`, `Queue Rate Limit +14.00 rps +the rate of the account`}},
		{
			heading: heading, prepare: func() { r.awaitBackoff("ReserveCredit", r.inEuro[2]) },
			prints: []string{`StartToCloseTimeout +1m`}, check: func() {
				r.shell.run(`curl -sf http://localhost:8080/customers -H 'Content-Type: application/json' -d '{"customerId":"` +
					r.await(r.inEuro[2], func(order.State) bool { return true }).CustomerID + `","limit":"EUR900.00"}'`)
			},
		},
	}
}

func (r *cliPageRig) deploymentBlocks() []cliBlock {
	const heading = "What do I do after a bad deployment?"
	return []cliBlock{
		{heading: "Do workers take the work?", prepare: r.deployBuilds, prints: []string{
			`UNVERSIONED +workflow +worker@`, `UNVERSIONED +activity +worker@`, `CurrentVersionBuildID +v0.3.0`, `orderflow +v0.2.0 `,
			`^  order-email +activity`, `orderflow:v0.3.0 +workflow +worker@`,
		}},
		{heading: heading, prints: []string{`^Successfully set the current worker deployment version`, `Running +` + r.newest[0], `Running +` + r.newest[1]}},
		{heading: heading, prints: batchDone("Reset", `\d`), check: func() {
			for i, id := range r.newest {
				r.awaitMail(id, order.StatusFulfilling, "sent")
				require.Equal(r.t, r.before[i], r.storedEffects(id, r.await(id, func(order.State) bool { return true }).CustomerID))
				require.Contains(r.t, r.builds(id), "v0.2.0")
			}
		}},
		{heading: heading, prepare: func() { r.awaitListed(`OrderStatus="fulfilling" AND ExecutionStatus="Running"`, 1) }, prints: []string{
			`^Resetting workflow order-\w+ to event ID \d+`, `"buildId": "v0.2.0"`, `(?s)Update workflow options succeeded.*Update workflow options succeeded`,
		}},
	}
}

func (r *cliPageRig) scheduleBlocks() []cliBlock {
	const heading = "Do I need schedules?"
	return []cliBlock{
		{heading: heading, prints: []string{`^Workflow terminated$`, `OrderRepair`, `^Trigger request sent$`}, check: func() {
			r.awaitListed(`TemporalScheduledById IS NOT NULL AND ExecutionStatus="Completed"`, 1)
			require.Equal(r.t, []string{"cancelled", "TERMINATED"}, r.row(r.shell.variable("LATER"), "status", "code"))
		}},
		{heading: heading, prints: []string{`Completed +repair-order-\w+-20\S+ +OrderRepair`, `^Schedule deleted`}},
	}
}
