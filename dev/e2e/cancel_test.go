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

// What somebody does on a way, by the name it has in a traveller's steps.
const (
	actShip    = "shipment signalled"
	actApprove = "approval signalled"
	actDecline = "refusal signalled"
	actCancel  = "cancellation signalled"
	actNative  = "native cancellation requested"
)

func act(name string) func(*traveller) {
	return func(o *traveller) {
		switch name {
		case actShip:
			o.signal(o.id, workflows.RecordShipmentMessage, shipped)
		case actApprove:
			o.signal(o.id, workflows.ApproveCreditMessage, approval)
		case actDecline:
			o.signal(o.id, workflows.DeclineCreditMessage, approval)
		case actCancel:
			o.signal(o.id, workflows.CancelOrderMessage, cancelRequest)
		case actNative:
			require.NoError(o.t, o.temporal.CancelWorkflow(o.t.Context(), o.id, ""))
		}
	}
}

func wayOf(name string, b basket, acts ...string) way {
	w := way{name: name, basket: b, names: acts}
	for _, name := range acts {
		w.acts = append(w.acts, act(name))
	}
	return w
}

func late(w way) way {
	w.name += ", mails last"
	w.mailLate = true
	return w
}

// cancellation is one of the three ways to cancel. It answers what the sender is told in the end.
type cancellation struct {
	name string
	send func(*traveller) (outcome func() error)
}

var cancellations = []cancellation{
	{"signal", func(o *traveller) func() error {
		return told(o.temporal.SignalWorkflow(o.t.Context(), o.id, "", workflows.CancelOrderMessage, json.RawMessage(cancelRequest)))
	}},
	{"native", func(o *traveller) func() error { return told(o.temporal.CancelWorkflow(o.t.Context(), o.id, "")) }},
	{"update", sendUpdate},
}

func told(err error) func() error { return func() error { return err } }

// sendUpdate returns when the server has the update, and its outcome waits for the update's.
func sendUpdate(o *traveller) func() error {
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
			return // refused before it was admitted
		}
		_, err := o.temporal.WorkflowService().PollWorkflowExecutionUpdate(o.t.Context(), &workflowservice.PollWorkflowExecutionUpdateRequest{
			Namespace: "default", WaitPolicy: &updatepb.WaitPolicy{LifecycleStage: enums.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ADMITTED},
			UpdateRef: updateRef(o.id, id),
		})
		assert.NoError(c, err)
	}, patience, millisecond)
	return func() error { return <-answered }
}

// everywhere tries each kind of cancellation at each place of each way. Without it, they take turns, but for the first way.
var everywhere = flag.Bool("everywhere", false, "try every kind of cancellation at every place of every way")

// The ways that differ from the first one do so from one step to another, and are tried there.
func TestACancellationIsUndoneOnceWhereverItMeetsTheOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		way         way
		from, until string // steps
	}{
		{wayOf("a shipped order", basket{}, actShip), "", ""},
		{late(wayOf("a shipped order", basket{}, actShip)), "StartFulfillment reported", ""},
		{wayOf("an approved order", basket{price: overTheLimit}, actApprove, actShip), "", "StartFulfillment done"},
		{wayOf("a declined order", basket{price: overTheLimit}, actDecline), actDecline, ""},
		{wayOf("a cancelled order", basket{}, actCancel), actCancel, ""},
		{late(wayOf("a cancelled order", basket{}, actCancel)), actCancel, ""},
		{wayOf("a natively cancelled order", basket{}, actNative), actNative, ""},
		{wayOf("an order cancelled on hold", basket{price: overTheLimit}, actCancel), actCancel, ""},
	}
	for n, test := range tests {
		t.Run(test.way.name, func(t *testing.T) {
			t.Parallel()
			whole := newLane(t, 0).begin(test.way.basket)
			whole.walk(test.way, -1)
			whole.requireDoneOnce()
			record(t, "ways-"+slug(test.way.name), whole.history(whole.id))
			for _, mail := range whole.children {
				record(t, "email", whole.history(mail))
			}
			for place := whole.after(test.from, 0); place <= whole.after(test.until, len(whole.steps)); place++ {
				for turn, how := range cancellations {
					if n == 0 || place%len(cancellations) == turn || *everywhere {
						t.Run(whole.name(place)+" by "+how.name, func(t *testing.T) {
							t.Parallel()
							o := meet(t, test.way, place, how)
							if n == 0 && !o.did(actShip) && how.name == "signal" || whole.name(place) == "15 after "+actShip {
								record(t, slug("met "+whole.name(place)+" by "+how.name), o.history(o.id))
							}
						})
					}
				}
			}
		})
	}
}

// meet lets a cancellation meet an order at one place of its way.
func meet(t *testing.T, w way, place int, how cancellation) *traveller {
	t.Helper()
	o := newLane(t, 0).begin(w.basket)
	o.walk(w, place)
	ended := o.describe(o.id).GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_RUNNING
	outcome := how.send(o)
	status := o.end()
	cancelled := o.requireDoneOnce() == order.StatusCancelled
	shipping, declined, cancelling := o.did(actShip), o.did(actDecline), o.did(actCancel) || o.did(actNative)
	require.False(t, shipping && cancelled, "a shipment that was recorded first wins")
	require.True(t, shipping || declined || cancelled, "there was time to cancel")
	err := outcome()
	switch {
	case ended && how.name != "native": // of a native one the server says nothing
		require.Error(t, err, "nobody is told that an order that is closed was cancelled")
	case how.name != "update":
		require.NoError(t, err)
	case err == nil:
		require.True(t, cancelled)
	default: // one that came when the order was ending as cancelled anyway may be told that it came too late
		require.True(t, !cancelled || cancelling, "%v", err)
	}
	if status != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_CANCELED, status)
		require.True(t, cancelled && (how.name == "native" || o.did(actNative)))
	}
	return o
}
