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

func TestRecordShipment_BeforeFirstTask(t *testing.T) {
	t.Parallel()
	o := newSteppedWorker(t, 0).begin(orderSpec{})
	o.signal(o.id, workflows.RecordShipmentMessage, shipped)
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusShipped, o.requireDoneOnce())
}

func TestSignal_TooBig(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	big := json.RawMessage(`{"reason":"` + strings.Repeat("x", 3<<20) + `"}`)
	require.Error(t, s.temporal.SignalWorkflow(t.Context(), id, "", workflows.CancelOrderMessage, big))
	// The order accepts less than the server does.
	s.signal(id, workflows.CancelOrderMessage, `{"reason":"`+strings.Repeat("x", 1<<20)+`"}`)
	_, err := s.update(id, workflows.CancelOrderMessage, `{"reason":"`+strings.Repeat("x", 1<<20)+`"}`)
	require.ErrorContains(t, err, "at most 4096 bytes")
	require.Equal(t, order.StatusFulfilling, s.awaitStatus(id, order.StatusFulfilling).Status)
}

func TestClosedOrder_AcceptsOnlyQueries(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitMail(id, order.StatusFulfilling, "sent")
	_, err := s.update(id, workflows.CancelOrderMessage, cancelRequest)
	require.NoError(t, err)
	s.closed(id)
	events := len(s.history(id).GetEvents())
	for range 2 {
		_, err = s.update(id, workflows.CancelOrderMessage, cancelRequest)
		require.Error(t, err)
		require.Error(t, s.temporal.SignalWorkflow(t.Context(), id, "", workflows.CancelOrderMessage, json.RawMessage(cancelRequest)))
		_ = s.temporal.CancelWorkflow(t.Context(), id, "") // the server accepts it and does nothing
	}
	require.Equal(t, order.StatusCancelled, s.awaitStatus(id, order.StatusCancelled).Status)
	require.Len(t, s.history(id).GetEvents(), events)
}

// The server accepts 10,000 signals per run. The order reads them all in its first
// workflow task, and continues.
func TestSignal_MoreThanServerAccepts(t *testing.T) {
	t.Parallel()
	signals := 500
	if *everywhere {
		signals = 10_200
	}
	l := newSteppedWorker(t, 0)
	o := l.begin(orderSpec{})
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
		"all are read, some again by a task that was retried after its timeout")
	_, err := o.update(o.id, workflows.CancelOrderMessage, cancelRequest)
	require.NoError(t, err)
	o.end()
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
}

// A credit account whose stream was deleted cannot be released until an operator restores
// it.
func TestCompensation_StuckIsVisibleAndContinues(t *testing.T) {
	t.Parallel()
	l := newSteppedWorker(t, 500*time.Millisecond)
	l.gate.open()
	o := l.begin(orderSpec{})
	o.awaitMail(o.id, order.StatusFulfilling, "sent")
	account := "credit-" + o.customer
	_, err := l.events.DeleteStream(t.Context(), account, kurrentdb.DeleteStreamOptions{})
	require.NoError(t, err)
	o.signal(o.id, workflows.CancelOrderMessage, cancelRequest)

	l.awaitListed(`ExecutionStatus="Running" AND OrderStatus="cancelling" AND OrderStuck="release-credit" AND WorkflowId="`+o.id+`"`, 1)
	o.awaitDetails("**cancelling**", "**stuck at `release-credit`**: release credit: ", "not whole")
	require.Positive(t, l.metric.of("orderflow_stuck_rounds release-credit"))
	require.Equal(t, order.StatusCancelling, o.awaitStatus(o.id, order.StatusCancelling).Status)
	require.NoError(t, o.temporal.CancelWorkflow(t.Context(), o.id, "")) // it has no effect now

	for range 2 { // the first restores the stream, the second its events
		_, err = l.events.SetStreamMetadata(t.Context(), account, kurrentdb.AppendToStreamOptions{}, kurrentdb.StreamMetadata{})
		require.NoError(t, err)
	}
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
	record(t, "cancelled-after-rounds", o.history(o.id))
}

// awaitDetails waits until the Web UI shows these words for the order.
func (o *orderUnderTest) awaitDetails(words ...string) {
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

// A timer that no cancellation reaches, next to an activity that is canceled, has made
// the server reject workflow tasks (temporalio/sdk-go#1176). Here the deadline of a
// confirmation passes while its attempt is in progress and the order, which has shipped,
// is canceled.
func TestTimer_OutlivesCancellation(t *testing.T) {
	t.Parallel()
	o := newSteppedWorker(t, 10*time.Millisecond).begin(orderSpec{})
	for o.step(true) != "" {
	}
	o.advance(mailSteps, "SendEmail", true) // its result is held back
	o.signal(o.id, workflows.RecordShipmentMessage, shipped)
	for !strings.HasPrefix(o.row(o.id, "status")[0], "shipped") {
		require.NotEmpty(t, o.step(true))
	}
	require.NoError(t, o.temporal.CancelWorkflow(t.Context(), o.id, ""))
	for began := time.Now(); !o.has(enums.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED); { // the deadline of the email has passed, and it is told to stop
		require.Less(t, time.Since(began), patience)
		o.step(true)
	}
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusShipped, o.requireDoneOnce())
	record(t, "shipped-before-its-confirmation", o.history(o.id))
}

func TestHold_Expires(t *testing.T) {
	t.Parallel()
	l := newSteppedWorker(t, 10*time.Millisecond)
	l.gate.open()
	o := l.begin(orderSpec{price: overTheLimit})
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, o.end())
	require.Equal(t, order.StatusRejected, o.requireDoneOnce())
	require.Equal(t, "HOLD_EXPIRED", o.row(o.id, "reason")[0])
	_, err := o.update(o.id, workflows.ApproveCreditMessage, approval)
	require.Error(t, err)
	record(t, "hold-expired", o.history(o.id))
}

// An order started manually, with a total that differs from its body, reserves nothing
// that is not released.
func TestOrder_InputDiffersFromBody(t *testing.T) {
	t.Parallel()
	l := newSteppedWorker(t, 0)
	l.gate.open()
	o := l.beginAs(orderSpec{}, func(in *workflows.Input) { in.Total.Minor++ })
	require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_FAILED, o.end())
	require.Equal(t, order.StatusCancelled, o.requireDoneOnce())
	require.Equal(t, "FULFILLMENT_FAILED", o.row(o.id, "reason")[0])
	record(t, "order-mismatch", o.history(o.id))
}

func (o *orderUnderTest) has(event enums.EventType) bool {
	for _, e := range o.history(o.id).GetEvents() {
		if e.GetEventType() == event {
			return true
		}
	}
	return false
}
