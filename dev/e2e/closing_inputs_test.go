package e2e_test

import (
	"encoding/json"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/sdk/v1"

	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestAShipmentThatIsSignalledBeforeAnythingHappenedShipsTheOrder(t *testing.T) {
	t.Parallel()
	o := newLane(t, 0).begin(basket{})
	o.signal(o.id, workflows.RecordShipmentMessage, shipped)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusShipped, o.requireDoneOnce())
}

func TestASignalThatIsTooBigIsRefusedAndLeavesTheOrderAlone(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.place(basket{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	big := json.RawMessage(`{"reason":"` + strings.Repeat("x", 3<<20) + `"}`)
	require.Error(t, s.temporal.SignalWorkflow(t.Context(), id, "", workflows.CancelOrderMessage, big))
	// One that the server does take is more than the order does.
	s.signal(id, workflows.CancelOrderMessage, `{"reason":"`+strings.Repeat("x", 1<<20)+`"}`)
	_, err := s.update(id, workflows.CancelOrderMessage, `{"reason":"`+strings.Repeat("x", 1<<20)+`"}`)
	require.ErrorContains(t, err, "at most 4096 bytes")
	require.Equal(t, order.StatusFulfilling, s.awaitStatus(id, order.StatusFulfilling).Status)
}

func TestAClosedOrderAnswersItsQueryAndRefusesAllElse(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.place(basket{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	_, err := s.update(id, workflows.CancelOrderMessage, cancelRequest)
	require.NoError(t, err)
	s.closed(id)
	events := len(s.history(id).GetEvents())
	for range 2 {
		_, err = s.update(id, workflows.CancelOrderMessage, cancelRequest)
		require.Error(t, err)
		require.Error(t, s.temporal.SignalWorkflow(t.Context(), id, "", workflows.CancelOrderMessage, json.RawMessage(cancelRequest)))
		_ = s.temporal.CancelWorkflow(t.Context(), id, "") // the server takes it, and does nothing
	}
	require.Equal(t, order.StatusCancelled, s.awaitStatus(id, order.StatusCancelled).Status)
	require.Len(t, s.history(id).GetEvents(), events)
}

// The server takes 10,000 signals for a run. The order reads them all in its first workflow task, and goes on.
func TestAnOrderSurvivesMoreSignalsThanTheServerTakes(t *testing.T) {
	t.Parallel()
	signals := 500
	if *everywhere {
		signals = 10_200
	}
	l := newLane(t, 0)
	o := l.begin(basket{})
	var refused atomic.Int64
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range signals / 8 {
				if l.temporal.SignalWorkflow(t.Context(), o.id, "", workflows.CancelOrderMessage, json.RawMessage(`{"reason":""}`)) != nil {
					refused.Add(1)
				}
			}
		})
	}
	senders.Wait()
	require.Equal(t, *everywhere, refused.Load() > 0)
	l.gate.open()
	o.awaitMail(o.id, order.StatusFulfilling, "sent")
	require.GreaterOrEqual(t, l.metric.of("orderflow_signals_unusable "+workflows.CancelOrderMessage), int64(signals/8*8)-refused.Load(),
		"all are read, and once more by a task that took too long and was repeated")
	_, err := o.update(o.id, workflows.CancelOrderMessage, cancelRequest)
	require.NoError(t, err)
	o.end()
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
}

// A credit account whose stream was deleted cannot be released from, until somebody brings it back.
func TestACompensationThatCannotProceedIsVisibleAndGoesOn(t *testing.T) {
	t.Parallel()
	l := newLane(t, 500*time.Millisecond)
	l.gate.open()
	o := l.begin(basket{})
	o.awaitMail(o.id, order.StatusFulfilling, "sent")
	account := "credit-" + o.customer
	_, err := l.events.DeleteStream(t.Context(), account, kurrentdb.DeleteStreamOptions{})
	require.NoError(t, err)
	o.signal(o.id, workflows.CancelOrderMessage, cancelRequest)

	l.awaitListed(`ExecutionStatus="Running" AND OrderStatus="cancelling" AND OrderStuck="release-credit" AND WorkflowId="`+o.id+`"`, 1)
	o.awaitDetails("**cancelling**", "**stuck at `release-credit`**: release credit: fold credit account", "not whole")
	require.Positive(t, l.metric.of("orderflow_stuck_rounds release-credit"))
	require.Equal(t, order.StatusCancelling, o.awaitStatus(o.id, order.StatusCancelling).Status)
	require.NoError(t, o.temporal.CancelWorkflow(t.Context(), o.id, "")) // it hurries nothing, and stops nothing

	for range 2 { // the first brings the stream back, the second its events
		_, err = l.events.SetStreamMetadata(t.Context(), account, kurrentdb.AppendToStreamOptions{}, kurrentdb.StreamMetadata{})
		require.NoError(t, err)
	}
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
	record(t, "cancelled-after-rounds", o.history(o.id))
}

// awaitDetails waits until the Web UI shows these words of the order.
func (o *traveller) awaitDetails(words ...string) {
	o.t.Helper()
	require.EventuallyWithT(o.t, func(c *assert.CollectT) {
		value, err := o.temporal.QueryWorkflow(o.t.Context(), o.id, "", "__temporal_workflow_metadata")
		require.NoError(c, err)
		var metadata sdk.WorkflowMetadata
		require.NoError(c, value.Get(&metadata))
		for _, word := range words {
			require.Contains(c, metadata.GetCurrentDetails(), word)
		}
	}, patience, 50*time.Millisecond)
}

// A timer that no cancellation reaches beside an activity that is cancelled has made the server refuse workflow tasks
// (temporalio/sdk-go#1176). Here the time for a confirmation runs out while its attempt is under way and the order, which
// has shipped, is cancelled.
func TestATimerThatOutlivesACancellationFailsNoTask(t *testing.T) {
	t.Parallel()
	o := newLane(t, 10*time.Millisecond).begin(basket{})
	for o.step(true) != "" {
	}
	o.advance(mailSteps, "SendEmail", true) // its outcome is held back
	o.signal(o.id, workflows.RecordShipmentMessage, shipped)
	for !strings.HasPrefix(o.row(o.id, "status")[0], "shipped") {
		require.NotEmpty(t, o.step(true))
	}
	require.NoError(t, o.temporal.CancelWorkflow(t.Context(), o.id, ""))
	for began := time.Now(); !o.has(enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED); { // the time for the mail is over, and it is told to stop
		require.Less(t, time.Since(began), patience)
		o.step(true)
	}
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusShipped, o.requireDoneOnce())
	record(t, "shipped-before-its-confirmation", o.history(o.id))
}

func TestAHoldThatExpiresRejectsTheOrder(t *testing.T) {
	t.Parallel()
	l := newLane(t, 10*time.Millisecond)
	l.gate.open()
	o := l.begin(basket{price: overTheLimit})
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusRejected, o.requireDoneOnce())
	require.Equal(t, "HOLD_EXPIRED", o.row(o.id, "reason")[0])
	_, err := o.update(o.id, workflows.ApproveCreditMessage, approval)
	require.Error(t, err)
	record(t, "hold-expired", o.history(o.id))
}

// Whoever starts an order by hand, with another total than its customer's, reserves nothing that is not given back.
func TestAnOrderUnlikeItsBodyFailsAndIsUndone(t *testing.T) {
	t.Parallel()
	l := newLane(t, 0)
	l.gate.open()
	o := l.beginAs(basket{}, func(in *workflows.Input) { in.Total.Minor++ })
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_FAILED, o.end())
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
	require.Equal(t, "FULFILLMENT_FAILED", o.row(o.id, "reason")[0])
	record(t, "order-mismatch", o.history(o.id))
}

func (o *traveller) has(event enums.EventType) bool {
	for _, e := range o.history(o.id).GetEvents() {
		if e.GetEventType() == event {
			return true
		}
	}
	return false
}
