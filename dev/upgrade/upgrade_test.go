package upgrade_test

import (
	"fmt"
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"

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
// workers cannot reach KurrentDB meanwhile. Its OrderFulfillment records a decision that
// the old build does not know, for some orders.
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
	r.requireIncompatible(newBuild, r.block(gate, 1), 1)
	r.run(newBuild, database, 0)
	r.startWorker(newBuild)
	r.runUntil(newBuild, start, 0, `order-email[\s\S]*order-fulfillment|order-fulfillment[\s\S]*order-email`)

	r.run(newBuild, ramp, 0)
	require.Regexp(t, `RampingVersionPercentage +1\b`, r.run(newBuild, ramp, 1))
	r.run(newBuild, ramp, 2)
	r.awaitCount(`TemporalWorkerDeploymentVersion="orderflow:`+newBuild+`"`, 1)
	require.NotContains(t, r.run(newBuild, back, endRamp)+r.run(newBuild, current, 1), "RampingVersionPercentage  ", "the ramp has ended")
	r.run(newBuild, ramp, 2)
	r.run(newBuild, ramp, 3)
	r.runUntil(newBuild, current, 0, "")
	r.run(newBuild, current, 1)
	l.release(before)
	require.Equal(t, []string{oldBuild, newBuild}, r.builds(before), "an order that was open before ends on the new build")

	r.proxy.Resume()
	r.run(newBuild, drain, 0)
	require.NoError(t, r.temporal.GetWorkflow(t.Context(), settlement, "").Get(t.Context(), nil))
	require.Equal(t, []string{oldBuild}, r.builds(settlement), "a settlement stays on its build")
	r.runUntil(newBuild, drain, 1, `(?i)drained`)

	failing := r.rollBack(l)
	r.returnToNew(l)

	l.release(paid)
	l.end()
	l.requireComplete(failing)
}

// The blocks of the section about going back.
const (
	replayOld = iota
	changeID
	pin
	endRamp
	setOld
	resetPinned
	replayThird
	unpin
)

// rollBack makes the old build current again, with an order that it cannot continue and
// that is pinned before, and one that records the decision too late to be pinned before.
// It returns the second.
func (r *upgradeRig) rollBack(l *load) (late string) {
	r.t.Helper()
	during, pinned := l.keep(), l.keepDecided()
	r.requireIncompatible(oldBuild, r.block(back, replayOld), 1)
	r.pin(pinned)
	late = l.keepDecided()
	r.runUntil(newBuild, back, setOld, "")
	l.release(during)
	require.Equal(r.t, []string{newBuild, oldBuild}, r.builds(during), "orders go back")
	l.release(pinned)
	require.Equal(r.t, []string{newBuild}, r.builds(pinned), "an order that was pinned to the new build ends there")

	// An order that was not pinned before fails on the old build until it is reset.
	require.NoError(r.t, r.temporal.SignalWorkflow(r.t.Context(), late, "", "any", nil))
	require.Eventually(r.t, func() bool {
		return slices.ContainsFunc(r.history(late), func(e *history.HistoryEvent) bool {
			return e.GetWorkflowTaskFailedEventAttributes().GetCause() == enums.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
		})
	}, patience, 100*time.Millisecond)
	r.resetPinned(late)
	l.release(late)
	require.Equal(r.t, []string{newBuild}, r.builds(late))
	after := l.keep()
	require.Equal(r.t, []string{oldBuild}, r.builds(after))
	l.release(after)
	return late
}

// returnToNew makes a build current that knows the decision, and removes the override of
// an order that was pinned meanwhile.
func (r *upgradeRig) returnToNew(l *load) {
	r.t.Helper()
	r.runUntil(newBuild, current, 0, "")
	freed := l.keepDecided()
	r.pin(freed)
	require.Regexp(r.t, `(?m)^OrderFulfillment +1 +0 +1 +1 `, r.run(newBuild, back, replayThird))
	r.run(newBuild, back, unpin)
	r.awaitOverride(freed, false)
	l.release(freed)
}

// requireIncompatible executes a replay that finds n workflows which the build cannot
// continue.
func (r *upgradeRig) requireIncompatible(version, script string, n int) {
	r.t.Helper()
	out, err := r.shell(version, script)
	exit := &exec.ExitError{}
	require.ErrorAs(r.t, err, &exit, out)
	require.Equal(r.t, 3, exit.ExitCode(), out)
	require.Contains(r.t, out, fmt.Sprintf("this build cannot continue %d workflows", n))
}

// pin executes the block of the page that pins the orders which recorded a change, and
// waits until the given one is pinned.
func (r *upgradeRig) pin(id string) {
	r.t.Helper()
	out, err := r.shell(newBuild, r.block(back, changeID)+r.block(back, pin))
	require.NoError(r.t, err, out)
	r.awaitOverride(id, true)
}

// resetPinned executes the block of the page that resets an order which has begun to move
// to the old build.
func (r *upgradeRig) resetPinned(id string) {
	r.t.Helper()
	out, err := r.shell(newBuild, r.block(back, changeID)+"export ORDER="+id+"\n"+r.block(back, resetPinned))
	require.NoError(r.t, err, out)
}

// awaitOverride waits until a workflow is, or is no longer, listed as pinned, and until the
// batch job has ended, because the server runs one at a time.
func (r *upgradeRig) awaitOverride(id string, pinned bool) {
	r.t.Helper()
	query := fmt.Sprintf(`WorkflowId=%q AND TemporalWorkflowVersioningBehavior="Pinned"`, id)
	const jobs = `TemporalNamespaceDivision="TemporalBatcher" AND ExecutionStatus="Running"`
	require.Eventually(r.t, func() bool {
		return r.count(query) == 1 == pinned && r.count(jobs) == 0
	}, patience, 100*time.Millisecond, query)
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
