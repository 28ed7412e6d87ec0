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

// Scenarios other than the first differ from it between two steps, and are tried there.
func TestCancellation_AtEveryStep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		scenario    scenario
		from, until string // steps
	}{
		{scenarioOf("a shipped order", orderSpec{}, actionShip), "", ""},
		{late(scenarioOf("a shipped order", orderSpec{}, actionShip)), "StartFulfillment reported", ""},
		{scenarioOf("an approved order", orderSpec{price: overTheLimit}, actionApprove, actionShip), "", "StartFulfillment done"},
		{scenarioOf("a declined order", orderSpec{price: overTheLimit}, actionDecline), actionDecline, ""},
		{scenarioOf("a cancelled order", orderSpec{}, actionCancel), actionCancel, ""},
		{late(scenarioOf("a cancelled order", orderSpec{}, actionCancel)), actionCancel, ""},
		{scenarioOf("a natively cancelled order", orderSpec{}, actionNative), actionNative, ""},
		{scenarioOf("an order cancelled on hold", orderSpec{price: overTheLimit}, actionCancel), actionCancel, ""},
	}
	for n, test := range tests {
		t.Run(test.scenario.name, func(t *testing.T) {
			t.Parallel()
			whole := newSteppedWorker(t, 0).begin(test.scenario.spec)
			whole.runSteps(test.scenario, -1)
			whole.requireDoneOnce()
			record(t, "ways-"+slug(test.scenario.name), whole.history(whole.id))
			for _, mail := range whole.children {
				record(t, "email", whole.history(mail))
			}
			for place := whole.after(test.from, 0); place <= whole.after(test.until, len(whole.steps)); place++ {
				for turn, how := range cancellations {
					if n == 0 || place%len(cancellations) == turn || *everywhere {
						t.Run(whole.name(place)+" by "+how.name, func(t *testing.T) {
							t.Parallel()
							o := cancelAt(t, test.scenario, place, how)
							if n == 0 && !o.did(actionShip) && how.name == "signal" || whole.name(place) == "15 after "+actionShip {
								record(t, slug("met "+whole.name(place)+" by "+how.name), o.history(o.id))
							}
						})
					}
				}
			}
		})
	}
}

// cancelAt cancels an order at one place of its scenario.
func cancelAt(t *testing.T, w scenario, place int, how cancellation) *orderUnderTest {
	t.Helper()
	o := newSteppedWorker(t, 0).begin(w.spec)
	o.runSteps(w, place)
	ended := o.describe(o.id).GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	outcome := how.send(o)
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
