package e2e_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/order"
	"orderflow/workflows"
)

const (
	cancelRequest = `{"reason":"customer-request"}`
	approval      = `{"by":"op-1","note":""}`
	overTheLimit  = "USD6000.00"
)

// The actions of a scenario, by their names in the steps of an orderUnderTest.
const (
	actionShip    = "shipment signalled"
	actionApprove = "approval signalled"
	actionDecline = "refusal signalled"
	actionCancel  = "cancellation signalled"
	actionNative  = "native cancellation requested"
)

func actionFor(name string) func(*orderUnderTest) {
	return func(o *orderUnderTest) {
		switch name {
		case actionShip:
			o.signal(o.id, workflows.RecordShipmentMessage, shipped)
		case actionApprove:
			o.signal(o.id, workflows.ApproveCreditMessage, approval)
		case actionDecline:
			o.signal(o.id, workflows.DeclineCreditMessage, approval)
		case actionCancel:
			o.signal(o.id, workflows.CancelOrderMessage, cancelRequest)
		case actionNative:
			require.NoError(o.t, o.temporal.CancelWorkflow(o.t.Context(), o.id, ""))
		}
	}
}

func scenarioOf(name string, b orderSpec, acts ...string) scenario {
	w := scenario{name: name, spec: b, names: acts}
	for _, name := range acts {
		w.actions = append(w.actions, actionFor(name))
	}
	return w
}

func late(w scenario) scenario {
	w.name += ", mails last"
	w.mailLate = true
	return w
}

// cancellation is one of the three ways to cancel. outcome returns the final result for
// the sender.
type cancellation struct {
	name string
	send func(*orderUnderTest) (outcome func() error)
}

var cancellations = []cancellation{
	{"signal", func(o *orderUnderTest) func() error {
		return immediate(o.temporal.SignalWorkflow(o.t.Context(), o.id, "", workflows.CancelOrderMessage, json.RawMessage(cancelRequest)))
	}},
	{"native", func(o *orderUnderTest) func() error {
		return immediate(o.temporal.CancelWorkflow(o.t.Context(), o.id, ""))
	}},
	{"update", sendUpdate},
}

func immediate(err error) func() error { return func() error { return err } }

// sendUpdate returns when the server has the update. outcome waits for the update's
// result.
func sendUpdate(o *orderUnderTest) func() error {
	id := uuid.NewString()
	answered := make(chan error, 1)
	go func() {
		handle, err := o.temporal.UpdateWorkflow(o.t.Context(), client.UpdateWorkflowOptions{
			WorkflowID: o.id, UpdateID: id, UpdateName: workflows.CancelOrderMessage, Args: []any{json.RawMessage(cancelRequest)},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		var state order.State
		if err == nil {
			err = handle.Get(o.t.Context(), &state)
		}
		if err == nil && state.Status != order.StatusCancelled {
			err = fmt.Errorf("answered while the order is %s", state.Status)
		}
		answered <- err
	}()
	require.EventuallyWithT(o.t, func(c *assert.CollectT) {
		if len(answered) > 0 {
			return // rejected before it was admitted
		}
		_, err := o.temporal.WorkflowService().PollWorkflowExecutionUpdate(o.t.Context(), &workflowservice.PollWorkflowExecutionUpdateRequest{
			Namespace: "default", WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enums.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED},
			UpdateRef: updateRef(o.id, id),
		})
		assert.NoError(c, err)
	}, patience, millisecond)
	return func() error { return <-answered }
}

// everywhere tries each kind of cancellation at each place of each scenario. Without it
// they alternate, except in the first scenario.
var everywhere = flag.Bool("everywhere", false, "try every kind of cancellation at every place of every scenario")

// cancelableScenario is a scenario, and the part of it in which cancellations are tried.
// Scenarios other than the first differ from it between two steps, and are tried there.
type cancelableScenario struct {
	scenario
	from, until string // steps
}

// cancelableScenarios returns the scenarios. reported and started are the steps after
// which the fulfillment is known, and written.
func cancelableScenarios(reported, started string) []cancelableScenario {
	return []cancelableScenario{
		{scenarioOf("a shipped order", orderSpec{}, actionShip), "", ""},
		{late(scenarioOf("a shipped order", orderSpec{}, actionShip)), reported, ""},
		{scenarioOf("an approved order", orderSpec{price: overTheLimit}, actionApprove, actionShip), "", started},
		{scenarioOf("a declined order", orderSpec{price: overTheLimit}, actionDecline), actionDecline, ""},
		{scenarioOf("a cancelled order", orderSpec{}, actionCancel), actionCancel, ""},
		{late(scenarioOf("a cancelled order", orderSpec{}, actionCancel)), actionCancel, ""},
		{scenarioOf("a natively cancelled order", orderSpec{}, actionNative), actionNative, ""},
		{scenarioOf("an order cancelled on hold", orderSpec{price: overTheLimit}, actionCancel), actionCancel, ""},
	}
}

func TestCancellation_AtEveryStep(t *testing.T) {
	t.Parallel()
	t.Run("with local attempts that succeed", func(t *testing.T) {
		t.Parallel()
		for n, w := range cancelableScenarios("StartFulfillment done locally", "StartFulfillment done locally") {
			cancelEverywhere(t, w, n == 0, attemptsSucceed)
		}
	})
	// An order takes the same steps whatever became of its local attempts, so the places
	// share the ways in which they end.
	t.Run("with regular activities", func(t *testing.T) {
		t.Parallel()
		for n, w := range cancelableScenarios("StartFulfillment reported", "StartFulfillment done") {
			cancelEverywhere(t, w, n == 0, attemptsFail, attemptsTimeOut, attemptsWriteLate)
		}
	})
}

// cancelEverywhere tries the cancellations at the places of a scenario: all of them if
// each is set, and one after the other otherwise.
func cancelEverywhere(t *testing.T, w cancelableScenario, each bool, attempts ...localAttempts) {
	t.Helper()
	t.Run(w.name, func(t *testing.T) {
		t.Parallel()
		whole := steppedWorkerOn(newStackClient(t), attempts[0]).start().begin(w.spec)
		whole.runSteps(w.scenario, -1)
		whole.requireDoneOnce()
		record(t, slug(w.name+" attempts "+string(attempts[0])), whole.history(whole.id))
		for place := whole.after(w.from, 0); place <= whole.after(w.until, len(whole.steps)); place++ {
			for turn, how := range cancellations {
				if !each && place%len(cancellations) != turn && !*everywhere {
					continue
				}
				attempts := attempts[(place+turn)%len(attempts)]
				name := whole.name(place) + " by " + how.name
				if attempts != attemptsSucceed {
					name += ", attempts " + string(attempts)
				}
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := cancelAt(t, w.scenario, place, how, attempts)
					if each && how.name == "signal" && !o.did(actionShip) {
						record(t, slug("canceled "+whole.name(place)+" attempts "+string(attempts)), o.history(o.id))
					}
				})
			}
		}
	})
}

// cancelAt cancels an order at one place of its scenario. Attempts that write late do so
// before anything is compensated, or after the end, in turn.
func cancelAt(t *testing.T, w scenario, place int, how cancellation, attempts localAttempts) *orderUnderTest {
	t.Helper()
	o := steppedWorkerOn(newStackClient(t), attempts).start().begin(w.spec)
	o.runSteps(w, place)
	ended := o.describe(o.id).GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	outcome := how.send(o)
	if place%2 == 0 {
		o.late.writeAll()
	}
	status := o.end()
	cancelled := o.requireDoneOnce() == order.StatusCancelled
	shipping, declined, cancelling := o.did(actionShip), o.did(actionDecline), o.did(actionCancel) || o.did(actionNative)
	require.False(t, shipping && cancelled, "a shipment that was recorded first takes precedence")
	require.True(t, shipping || declined || cancelled, "there was time to cancel")
	err := outcome()
	switch {
	case ended && how.name != "native": // the server does not report that for a native cancellation
		require.Error(t, err, "a closed order must not be reported as canceled")
	case how.name != "update":
		require.NoError(t, err)
	case err == nil:
		require.True(t, cancelled)
	default: // a cancellation that arrives while the order is being canceled may be told that it came too late
		require.True(t, !cancelled || cancelling, "%v", err)
	}
	if status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, status)
		require.True(t, cancelled && (how.name == "native" || o.did(actionNative)))
	}
	return o
}
