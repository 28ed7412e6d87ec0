package e2e_test

import (
	"encoding/json"
	"errors"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"

	"orderflow/internal/order"
	"orderflow/workflows"
)

var (
	closings = flag.Int("closings", 100, "number of orders that receive messages while they close")
	seed     = flag.Uint64("seed", 1, "seed of the messages and their times")
)

// lateMessages are sent around an order's close. None of them may be lost silently.
var lateMessages = []struct{ name, body string }{
	{workflows.RecordShipmentMessage, `{"carrier":"UPS","trackingNumber":"1Z"}`}, // not the shipment that the order has
	{workflows.CancelOrderMessage, cancelRequest},
	{workflows.ApproveCreditMessage, approval},
	{workflows.DeclineCreditMessage, approval},
	{unknownMessage, `{}`},
}

const unknownMessage = "no-such-message"

// Each order ships, and at about that time it receives five signals. Each sender either
// gets an error, or the order has read the signal: the server lets no workflow close
// before it has delivered all signals, and the workflow counts each that it cannot use.
// None of these five can be used, except a cancellation that arrives in time.
func TestSignal_AtClose(t *testing.T) {
	t.Parallel()
	l := newSteppedWorker(t, 0)
	l.gate.open()
	l.startDelay = time.Second // the worker would read an order before it is appended
	random := rand.New(rand.NewPCG(*seed, 0))
	took, sum := 100*time.Millisecond, closingSum{expected: map[string]int64{}}
	for n := 0; n < *closings; {
		var batch []*closing
		for ; n < *closings && len(batch) < 10; n++ {
			c := &closing{orderUnderTest: l.begin(orderSpec{}), accepted: map[string]bool{}}
			for range lateMessages {
				c.delays = append(c.delays, took-closingSpread+time.Duration(random.Int64N(int64(2*closingSpread))))
			}
			batch = append(batch, c)
		}
		for _, c := range batch {
			c.awaitMail(c.id, order.StatusFulfilling, "sent")
		}
		var senders sync.WaitGroup
		for _, c := range batch {
			senders.Go(c.send)
		}
		senders.Wait()
		for _, c := range batch {
			took = c.count(&sum) // it predicts when the next ones will close
		}
	}
	for name, n := range sum.expected {
		require.GreaterOrEqual(t, l.metric.of("orderflow_signals_unusable "+name), n, "%s was lost", name)
	}
	t.Logf("seed %d: %d signals accepted, %d refused, %d orders canceled in time, %d closes overtaken by a signal",
		*seed, sum.accepted, sum.refused, sum.cancelled, sum.overtaken)
	require.Positive(t, sum.accepted)
	require.Positive(t, sum.refused)
}

// closingSpread is how far from the close a message may arrive.
const closingSpread = 50 * time.Millisecond

// closing is an order that ships and receives the late messages, each after a delay from
// the shipment.
type closing struct {
	*orderUnderTest
	delays []time.Duration

	mu       sync.Mutex
	accepted map[string]bool
}

type closingSum struct {
	accepted, refused, cancelled, overtaken int64
	expected                                map[string]int64 // signals that must have been counted as unusable
}

func (c *closing) send() {
	var sending sync.WaitGroup
	for i, m := range lateMessages {
		sending.Go(func() {
			<-time.After(c.delays[i])
			c.signalOne(m.name, m.body)
		})
	}
	c.signalOne(actionShip, shipped)
	sending.Wait()
}

func (c *closing) signalOne(name, body string) {
	signal := name
	if name == actionShip {
		signal = workflows.RecordShipmentMessage
	}
	err := c.temporal.SignalWorkflow(c.t.Context(), c.id, "", signal, json.RawMessage(body))
	var gone *serviceerror.NotFound
	if err != nil && !errors.As(err, &gone) {
		c.t.Error(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted[name] = err == nil
}

// count adds up the outcomes of the messages, and returns the time from the shipment to
// the close.
func (c *closing) count(sum *closingSum) time.Duration {
	c.closed(c.id)
	history := c.history(c.id)
	sum.overtaken += requireAllShown(c.t, history)
	status := c.requireDoneOnce()
	for _, m := range lateMessages {
		switch {
		case !c.accepted[m.name]:
			sum.refused++
			continue
		case status == order.StatusCancelled && m.name == workflows.CancelOrderMessage:
			sum.cancelled++
		case m.name == unknownMessage:
			sum.expected["unknown"]++
		default:
			sum.expected[m.name]++
		}
		sum.accepted++
	}
	return lasted(history)
}

// lasted returns the time from the first signal to the end.
func lasted(history *historypb.History) time.Duration {
	events := history.GetEvents()
	for _, event := range events {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			return events[len(events)-1].GetEventTime().AsTime().Sub(event.GetEventTime().AsTime())
		}
	}
	return closingSpread
}

// requireAllShown checks that a workflow task began after each signal, and counts the
// tasks that a signal interrupted.
func requireAllShown(t *testing.T, history *historypb.History) (overtaken int64) {
	t.Helper()
	var lastSignal, lastTask int64
	for _, event := range history.GetEvents() {
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
			lastSignal = event.GetEventId()
		case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			lastTask = event.GetEventId()
		case enums.EVENT_TYPE_WORKFLOW_TASK_FAILED:
			overtaken++
		default:
		}
	}
	require.Greater(t, lastTask, lastSignal, "the order closed before it had read a signal")
	return overtaken
}
