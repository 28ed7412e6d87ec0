package orders_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/sampledata"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// fakeStores holds the states of orders and the list of parked events.
type fakeStores struct {
	mu       sync.Mutex
	states   map[string]order.State
	outcomes map[string]orders.Outcome
	asked    []string
	parked   []kurrent.Parked
	denied   bool
}

func newStores() *fakeStores {
	return &fakeStores{states: map[string]order.State{}, outcomes: map[string]orders.Outcome{}}
}

// Outcome reports everything as published and projected, unless a test overrides it.
func (s *fakeStores) Outcome(_ context.Context, state order.State) (orders.Outcome, error) {
	if out, found := s.outcomes[state.OrderID]; found {
		return out, nil
	}
	out := orders.Outcome{ViewAgrees: true}
	switch {
	case state.Status.Final():
		out.LastEvent = "order-" + string(state.Status)
	case state.Status == order.StatusFulfilling:
		out.LastEvent = "order-approved"
	}
	return out, nil
}

func (s *fakeStores) State(_ context.Context, id string) (order.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, id)
	state, known := s.states[id]
	if !known {
		return order.State{}, orders.ErrUnknown
	}
	return state, nil
}

func (s *fakeStores) Parked(_ context.Context, stream, group string, visit func(kurrent.Parked) error) error {
	if stream != "$ce-order" || group != "fulfillment" {
		return fmt.Errorf("asked for %s::%s", stream, group)
	}
	if s.denied {
		return fmt.Errorf("read: %w", kurrent.ErrAccessDenied)
	}
	for _, p := range s.parked {
		if err := visit(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeStores) setState(id string, status order.Status, mail string) {
	total, _ := order.ParseMoney("USD12.10")
	s.states[id] = order.State{
		OrderID: id, CustomerID: "c-1", Status: status, Total: total, Credit: order.CreditReserved, Email: mail,
	}
}

func (s *fakeStores) setCredit(id string, credit order.Credit) {
	state := s.states[id]
	state.Credit = credit
	s.states[id] = state
}

func (s *fakeStores) park(stream string, e sampledata.Event, reason string) {
	s.parked = append(s.parked, kurrent.Parked{Event: &kurrent.Event{ID: uuid.MustParse(e.ID)}, Stream: stream, Reason: reason})
}

func (s *fakeStores) tracker() *orders.Tracker {
	return orders.NewTracker(s, s, s, "$ce-order", "fulfillment")
}

func event(kind, body string, args ...any) sampledata.Event {
	return sampledata.Event{
		ID: uuid.NewString(), Type: kind, ContentType: sampledata.ContentTypeJSON, Data: fmt.Appendf(nil, body, args...),
	}
}

func placed(id string) sampledata.Event {
	return event(order.TypePlaced, `{"orderId":%q,"customerId":"c-1","at":"2025-01-01T00:00:00Z",
		"lineItems":[{"productId":"p","productName":"Tea","quantity":1,"pricePerUnit":"USD11.00","taxRate":0.1}],
		"billing":{"recipient":{"emailAddress":"ann@example.com"}}}`, id)
}

func invalidPlaced() sampledata.Event { return event(order.TypePlaced, `{"orderId":"another"}`) }

func cancel(id string) sampledata.Event {
	return event(order.TypeCancellationRequested, `{"orderId":%q,"reason":"changed-mind"}`, id)
}

func note(t *orders.Tracker, stream string, events ...sampledata.Event) {
	t.Note(sampledata.Stream{Name: stream, Events: events})
}

func TestTracker_Settled(t *testing.T) {
	t.Parallel()
	const id = "order-1"
	first, second, request, bad := placed(id), placed(id), cancel(id), invalidPlaced()
	tests := map[string]struct {
		noted   []sampledata.Event
		arrange func(*fakeStores)
		want    bool
	}{
		"an order not known yet":               {[]sampledata.Event{first}, func(*fakeStores) {}, false},
		"a pending order":                      {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusPending, "none") }, false},
		"an order whose confirmation is due":   {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "pending") }, false},
		"a confirmed order":                    {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "sent") }, true},
		"an email of unknown outcome":          {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "unknown") }, true},
		"an order on hold, which has no email": {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusOnHold, "none") }, true},
		"a rejected order whose email is due":  {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusRejected, "pending") }, false},
		"an order that is being canceled":      {[]sampledata.Event{first}, func(s *fakeStores) { s.setState(id, order.StatusCancelling, "none") }, false},
		"an order that was parked":             {[]sampledata.Event{first}, func(s *fakeStores) { s.park(id, first, "why") }, true},
		"a parked order, which the api shows as pending": {[]sampledata.Event{first}, func(s *fakeStores) {
			s.setState(id, order.StatusPending, "none")
			s.park(id, first, "why")
		}, true},
		"an invalid event":                      {[]sampledata.Event{bad}, func(*fakeStores) {}, false},
		"an invalid event that was parked":      {[]sampledata.Event{bad}, func(s *fakeStores) { s.park(id, bad, "why") }, true},
		"an event noted twice":                  {[]sampledata.Event{first, first}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "sent") }, true},
		"a duplicate that is not parked yet":    {[]sampledata.Event{first, second}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "sent") }, false},
		"a cancellation that has no effect yet": {[]sampledata.Event{first, request}, func(s *fakeStores) { s.setState(id, order.StatusFulfilling, "sent") }, false},
		"a cancellation that had its effect":    {[]sampledata.Event{first, request}, func(s *fakeStores) { s.setState(id, order.StatusCancelled, "suppressed") }, true},
		"a cancellation of nothing":             {[]sampledata.Event{request}, func(*fakeStores) {}, false},
		"a cancellation of nothing, parked":     {[]sampledata.Event{request}, func(s *fakeStores) { s.park(id, request, "ORDER_UNKNOWN") }, true},
		"the same ids parked on another stream": {[]sampledata.Event{bad}, func(s *fakeStores) { s.park("order-2", bad, "why") }, false},
		"an order that is not published yet": {[]sampledata.Event{first}, func(s *fakeStores) {
			s.setState(id, order.StatusFulfilling, "sent")
			s.outcomes[id] = orders.Outcome{ViewAgrees: true}
		}, false},
		"an order whose change is not published yet": {[]sampledata.Event{first}, func(s *fakeStores) {
			s.setState(id, order.StatusShipped, "sent")
			s.outcomes[id] = orders.Outcome{ViewAgrees: true, LastEvent: "order-approved"}
		}, false},
		"an order that the view does not show yet": {[]sampledata.Event{first}, func(s *fakeStores) {
			s.setState(id, order.StatusFulfilling, "sent")
			s.outcomes[id] = orders.Outcome{LastEvent: "order-approved"}
		}, false},
		"events that mean nothing to an order": {[]sampledata.Event{event("order-viewed", `{}`)}, func(*fakeStores) {}, true},
		"a duplicate that was parked": {[]sampledata.Event{first, second}, func(s *fakeStores) {
			s.setState(id, order.StatusFulfilling, "sent")
			s.park(id, second, "DUPLICATE_ORDER")
		}, true},
		"a list of parked events that may not be read": {[]sampledata.Event{first}, func(s *fakeStores) {
			s.denied = true
			s.setState(id, order.StatusShipped, "sent")
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stores := newStores()
			test.arrange(stores)
			tracker := stores.tracker()
			note(tracker, id, test.noted...)
			note(tracker, "cart-1", placed("cart-1"))

			require.NoError(t, tracker.Look(t.Context()))

			require.Equal(t, test.want, tracker.Settled())
		})
	}
}

func TestTracker_Report(t *testing.T) {
	t.Parallel()
	stores := newStores()
	tracker := stores.tracker()
	bad := invalidPlaced()
	note(tracker, "order-b", placed("order-b"))
	note(tracker, "order-a", placed("order-a"))
	note(tracker, "order-c", bad)
	stores.setState("order-b", order.StatusRejected, "sent")
	stores.setState("order-z", order.StatusShipped, "sent")
	refused := placed("order-d")
	note(tracker, "order-d", refused)
	stores.setState("order-d", order.StatusPending, "none")
	stores.park("order-d", refused, "INVALID_ARGUMENT")
	stores.park("order-c", bad, "orderId: must be the stream's name")
	stores.park("order-y", invalidPlaced(), "of another run")
	require.NoError(t, tracker.Look(t.Context()))

	body, err := json.Marshal(tracker.Report(1520 * time.Millisecond))

	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"orders":[
		{"orderId":"order-a","customerId":"c-1","status":"pending","reason":"","total":"USD12.10","credit":"none","email":"none",
			"lastEvent":"","viewAgrees":false},
		{"orderId":"order-b","customerId":"c-1","status":"rejected","reason":"","total":"USD12.10","credit":"reserved","email":"sent",
			"lastEvent":"order-rejected","viewAgrees":true}
	],"parked":[
		{"stream":"order-c","type":"order-placed","eventId":%q,"reason":"orderId: must be the stream's name"},
		{"stream":"order-d","type":"order-placed","eventId":%q,"reason":"INVALID_ARGUMENT"}
	],"seconds":1.5}`, bad.ID, refused.ID), string(body))
	require.Equal(t, "2 of 3 orders are settled, 1 of 1 invalid events are parked", tracker.Progress())
}

func TestTracker_UnreadableEventIsReportedNotAwaited(t *testing.T) {
	t.Parallel()
	tracker := newStores().tracker()
	cut := event(order.TypePlaced, `{"orderId":`)
	note(tracker, "order-a", cut)
	require.True(t, tracker.Settled(), "the event will never be parked")

	body, err := json.Marshal(tracker.Report(0))

	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"orders":[],"parked":[],"seconds":0,"unlinked":[{"stream":"order-a","type":"order-placed",
		"eventId":%q,"reason":"its data is not JSON: it ends too early at byte 11"}]}`, cut.ID), string(body))
}

func TestTracker_EmptyReport(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(newStores().tracker().Report(0))

	require.NoError(t, err)
	require.JSONEq(t, `{"orders":[],"parked":[],"seconds":0}`, string(body))
}

func TestTracker_LookCoversAllOrders(t *testing.T) {
	t.Parallel()
	stores := newStores()
	tracker := stores.tracker()
	const many = 80
	for i := range many {
		id := fmt.Sprintf("order-%03d", i)
		note(tracker, id, placed(id))
	}

	for range 3 {
		require.NoError(t, tracker.Look(t.Context()))
	}

	asked := map[string]bool{}
	for _, id := range stores.asked {
		asked[id] = true
	}
	require.Len(t, asked, many)
	require.Less(t, len(stores.asked), 2*many, "no look queries all orders")
}

type unavailableStates struct{ *fakeStores }

func (unavailableStates) State(context.Context, string) (order.State, error) {
	return order.State{}, errors.New("no worker responds")
}

func TestTracker_QueryErrorLeavesOrderUnsettled(t *testing.T) {
	t.Parallel()
	stores := newStores()
	tracker := orders.NewTracker(unavailableStates{stores}, stores, stores, "$ce-order", "fulfillment")
	note(tracker, "order-1", placed("order-1"))

	require.ErrorContains(t, tracker.LookAtAll(t.Context()), "no worker responds")
	require.False(t, tracker.Settled())
}
