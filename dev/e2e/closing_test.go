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
	closings = flag.Int("closings", 100, "orders that are sent messages in the moment they close")
	seed     = flag.Uint64("seed", 1, "of what they are sent, and when")
)

// lateMessages are sent around an order's close. Each is one that nobody can want to be without an effect unnoticed.
var lateMessages = []struct{ name, body string }{
	{workflows.RecordShipmentMessage, `{"carrier":"UPS","trackingNumber":"1Z"}`}, // not the one it ships with
	{workflows.CancelOrderMessage, cancelRequest},
	{workflows.ApproveCreditMessage, approval},
	{workflows.DeclineCreditMessage, approval},
	{unknownMessage, `{}`},
}

const unknownMessage = "no-such-message"

// Each order ships, and about then it gets five signals. Whoever sent one either gets an error, or the order has read it:
// the server lets no workflow close over a signal it has not been shown, and the workflow counts each that it has no use
// for. Signals that were of use are none of these five, but for a cancellation that came in time.
func TestASignalInTheClosingMomentIsReadOrRefused(t *testing.T) {
	t.Parallel()
	l := newLane(t, 0)
	l.gate.open()
	random := rand.New(rand.NewPCG(*seed, 0))
	took, sum := 100*time.Millisecond, closingSum{expected: map[string]int64{}}
	for n := 0; n < *closings; {
		var batch []*closing
		for ; n < *closings && len(batch) < 10; n++ {
			c := &closing{traveller: l.begin(basket{}), accepted: map[string]bool{}}
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
			took = c.count(&sum) // it tells when the next ones are likely to close
		}
	}
	for name, n := range sum.expected {
		require.GreaterOrEqual(t, l.metric.of("orderflow_signals_unusable "+name), n, "%s was swallowed", name)
	}
	t.Logf("seed %d: %d signals accepted, %d refused, %d orders cancelled in time, %d closes overtaken by a signal",
		*seed, sum.accepted, sum.refused, sum.cancelled, sum.overtaken)
	require.Positive(t, sum.accepted)
	require.Positive(t, sum.refused)
}

// closingSpread is how far from the close a message may come.
const closingSpread = 50 * time.Millisecond

// closing is an order that ships and is sent the late messages, each after a delay from the shipment.
type closing struct {
	*traveller
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
	c.signalOne(actShip, shipped)
	sending.Wait()
}

func (c *closing) signalOne(name, body string) {
	signal := name
	if name == actShip {
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

// count adds up what became of the messages, and gives the time from the shipment to the close.
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

// lasted is the time from the first signal to the end.
func lasted(history *historypb.History) time.Duration {
	events := history.GetEvents()
	for _, event := range events {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED {
			return events[len(events)-1].GetEventTime().AsTime().Sub(event.GetEventTime().AsTime())
		}
	}
	return closingSpread
}

// requireAllShown checks that a workflow task began after each signal, and counts the tasks that a signal overtook.
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
	require.Greater(t, lastTask, lastSignal, "the order closed over a signal")
	return overtaken
}
