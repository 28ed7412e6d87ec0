package upgrade_test

import (
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"

	"orderflow/dev/startertest"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// The sections of the page.
const (
	variables = "Before you begin"
	first     = "The first version"
	gate      = "1. Replay open workflows on the new build"
	database  = "2. Prepare the stores"
	start     = "3. Start workers of the new build"
	ramp      = "4. Ramp"
	current   = "5. Make it current"
	drain     = "6. Stop the old workers"
	back      = "Roll back"
)

// The new build has another OrderSettlement, without a GetVersion: what it may do because
// that workflow is pinned. A settlement is open across the switch, because the old build's
// workers cannot reach KurrentDB meanwhile.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	r := newUpgradeRig(t)
	r.startWorker(oldBuild, "KURRENTDB_URL=kurrentdb://"+r.proxy.Addr()+"?tls=false")
	r.runUntil(oldBuild, first, 0, "")
	l := r.startLoad()
	before, paid := l.keep(), l.keep()
	r.awaitCount(`OrderStatus="shipped"`, 5)

	r.proxy.Refuse()
	settlement := r.pay(paid)
	out := r.run(newBuild, gate, 0)
	require.Regexp(t, `(?m)^OrderSettlement +1 +1 +0`, out, "the pinned settlement is not replayed")
	out, err := r.shell(newBuild, r.block(gate, 1))
	exit := &exec.ExitError{}
	require.ErrorAs(t, err, &exit)
	require.Equal(t, 3, exit.ExitCode(), "the new build could not continue the settlement")
	require.Contains(t, out, "this build cannot continue 1 workflows")
	r.run(newBuild, database, 0)
	r.startWorker(newBuild)
	r.runUntil(newBuild, start, 0, `order-email[\s\S]*order-fulfillment|order-fulfillment[\s\S]*order-email`)

	r.run(newBuild, ramp, 0)
	require.Regexp(t, `RampingVersionPercentage +1\b`, r.run(newBuild, ramp, 1))
	r.run(newBuild, ramp, 2)
	r.awaitCount(`TemporalWorkerDeploymentVersion="orderflow:`+newBuild+`"`, 1)
	require.NotContains(t, r.run(newBuild, back, 0)+r.run(newBuild, current, 1), "RampingVersionPercentage  ", "the ramp has ended")
	r.run(newBuild, ramp, 2)
	r.run(newBuild, ramp, 3)
	r.run(newBuild, current, 0)
	r.run(newBuild, current, 1)
	l.release(before)
	require.Equal(t, []string{oldBuild, newBuild}, r.builds(before), "an order that was open before ends on the new build")

	r.proxy.Resume()
	r.run(newBuild, drain, 1)
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), settlement, "").Get(t.Context(), nil))
	require.Equal(t, []string{oldBuild}, r.builds(settlement), "a settlement stays on its build")
	r.runUntil(newBuild, drain, 0, `(?i)drained`)

	during, stays, freed := l.keep(), l.keep(), l.keep()
	r.run(oldBuild, back, 1)
	r.override(stays, 3)
	r.override(freed, 3)
	r.run(newBuild, back, 2)
	l.release(during)
	require.Equal(t, []string{newBuild, oldBuild}, r.builds(during), "orders go back")
	l.release(stays)
	require.Equal(t, []string{newBuild}, r.builds(stays), "an order that was pinned to the new build ends there")
	r.override(freed, 4)
	l.release(freed)
	require.Equal(t, []string{newBuild, oldBuild}, r.builds(freed), "without the override it goes back")
	after := l.keep()
	require.Equal(t, []string{oldBuild}, r.builds(after))
	l.release(after)

	l.release(paid)
	l.end()
	l.requireComplete()
}

// override executes a block of the page that changes the version of one order.
func (r *upgradeRig) override(id string, block int) {
	r.t.Helper()
	out, err := r.shell(newBuild, "ORDER="+id+"\n"+r.block(back, block))
	require.NoError(r.t, err, out)
}

// pay pays an order and waits until the settlement has begun. It returns the settlement's
// id.
func (r *upgradeRig) pay(id string) string {
	r.t.Helper()
	r.starter.Append(id, startertest.NewEvent(order.TypePaid, map[string]any{"amount": "USD100.00"}))
	settlement := workflows.SettlementID(id, 1)
	require.Eventually(r.t, func() bool {
		events, err := r.findHistory(settlement)
		if err != nil {
			return false
		}
		for _, event := range events {
			if event.GetEventType() == enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
				return true
			}
		}
		return false
	}, patience, 50*time.Millisecond)
	r.awaitCount(`WorkflowId="`+settlement+`" AND TemporalWorkflowVersioningBehavior="Pinned"`, 1)
	return settlement
}
