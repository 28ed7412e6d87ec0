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

// shop is what becomes of orders: a state for some, a place among the parked for some of their events.
type shop struct {
	mu     sync.Mutex
	states map[string]order.State
	outs   map[string]orders.Out
	asked  []string
	parked []kurrent.Parked
	denied bool
}

func newShop() *shop { return &shop{states: map[string]order.State{}, outs: map[string]orders.Out{}} }

// Out has published everything and shows it in the view, unless a test says otherwise.
func (s *shop) Out(_ context.Context, state order.State) (orders.Out, error) {
	if out, said := s.outs[state.OrderID]; said {
		return out, nil
	}
	out := orders.Out{ViewAgrees: true}
	switch {
	case state.Status.Final():
		out.LastEvent = "order-" + string(state.Status)
	case state.Status == order.StatusFulfilling:
		out.LastEvent = "order-approved"
	}
	return out, nil
}

func (s *shop) State(_ context.Context, id string) (order.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, id)
	state, known := s.states[id]
	if !known {
		return order.State{}, orders.ErrUnknown
	}
	return state, nil
}

func (s *shop) Parked(_ context.Context, stream, group string, visit func(kurrent.Parked) error) error {
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

func (s *shop) brings(id string, status order.Status, mail string) {
	total, _ := order.ParseMoney("USD12.10")
	s.states[id] = order.State{
		OrderID: id, CustomerID: "c-1", Status: status, Total: total, Credit: order.CreditReserved, Email: mail,
	}
}

func (s *shop) parks(stream string, e sampledata.Event, reason string) {
	s.parked = append(s.parked, kurrent.Parked{Event: &kurrent.Event{ID: uuid.MustParse(e.ID)}, Stream: stream, Reason: reason})
}

func (s *shop) tracker() *orders.Tracker {
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

func broken() sampledata.Event { return event(order.TypePlaced, `{"orderId":"another"}`) }

func cancel(id string) sampledata.Event {
	return event(order.TypeCancellationRequested, `{"orderId":%q,"reason":"changed-mind"}`, id)
}

func note(t *orders.Tracker, stream string, events ...sampledata.Event) {
	t.Note(sampledata.Stream{Name: stream, Events: events})
}

func TestARunIsSettledWhenNothingMoreHappensByItself(t *testing.T) {
	t.Parallel()
	const id = "order-1"
	first, second, request, bad := placed(id), placed(id), cancel(id), broken()
	tests := map[string]struct {
		noted   []sampledata.Event
		arrange func(*shop)
		want    bool
	}{
		"an order nobody knows yet":             {[]sampledata.Event{first}, func(*shop) {}, false},
		"an order that is being decided about":  {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusPending, "none") }, false},
		"an order whose confirmation is due":    {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusFulfilling, "pending") }, false},
		"a confirmed order":                     {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusFulfilling, "sent") }, true},
		"a mail of which nobody knows":          {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusFulfilling, "unknown") }, true},
		"an order on hold, which has no mail":   {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusOnHold, "none") }, true},
		"a rejected order whose mail is due":    {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusRejected, "pending") }, false},
		"an order that is being cancelled":      {[]sampledata.Event{first}, func(s *shop) { s.brings(id, order.StatusCancelling, "none") }, false},
		"an order that was parked":              {[]sampledata.Event{first}, func(s *shop) { s.parks(id, first, "why") }, true},
		"an unusable event":                     {[]sampledata.Event{bad}, func(*shop) {}, false},
		"an unusable event that was parked":     {[]sampledata.Event{bad}, func(s *shop) { s.parks(id, bad, "why") }, true},
		"an event that came twice":              {[]sampledata.Event{first, first}, func(s *shop) { s.brings(id, order.StatusFulfilling, "sent") }, true},
		"a duplicate that is not parked yet":    {[]sampledata.Event{first, second}, func(s *shop) { s.brings(id, order.StatusFulfilling, "sent") }, false},
		"a cancellation that has no effect yet": {[]sampledata.Event{first, request}, func(s *shop) { s.brings(id, order.StatusFulfilling, "sent") }, false},
		"a cancellation that had its effect":    {[]sampledata.Event{first, request}, func(s *shop) { s.brings(id, order.StatusCancelled, "suppressed") }, true},
		"a cancellation of nothing":             {[]sampledata.Event{request}, func(*shop) {}, false},
		"a cancellation of nothing, parked":     {[]sampledata.Event{request}, func(s *shop) { s.parks(id, request, "ORDER_UNKNOWN") }, true},
		"the same ids parked on another stream": {[]sampledata.Event{bad}, func(s *shop) { s.parks("order-2", bad, "why") }, false},
		"an order that is not published yet": {[]sampledata.Event{first}, func(s *shop) {
			s.brings(id, order.StatusFulfilling, "sent")
			s.outs[id] = orders.Out{ViewAgrees: true}
		}, false},
		"an order whose change is not published yet": {[]sampledata.Event{first}, func(s *shop) {
			s.brings(id, order.StatusShipped, "sent")
			s.outs[id] = orders.Out{ViewAgrees: true, LastEvent: "order-approved"}
		}, false},
		"an order that the view does not show yet": {[]sampledata.Event{first}, func(s *shop) {
			s.brings(id, order.StatusFulfilling, "sent")
			s.outs[id] = orders.Out{LastEvent: "order-approved"}
		}, false},
		"events that mean nothing to an order": {[]sampledata.Event{event("order-viewed", `{}`)}, func(*shop) {}, true},
		"a duplicate that was parked": {[]sampledata.Event{first, second}, func(s *shop) {
			s.brings(id, order.StatusFulfilling, "sent")
			s.parks(id, second, "DUPLICATE_ORDER")
		}, true},
		"a list of parked events that may not be read": {[]sampledata.Event{first}, func(s *shop) {
			s.denied = true
			s.brings(id, order.StatusShipped, "sent")
		}, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := newShop()
			test.arrange(shop)
			tracker := shop.tracker()
			note(tracker, id, test.noted...)
			note(tracker, "cart-1", placed("cart-1"))

			require.NoError(t, tracker.Look(t.Context()))

			require.Equal(t, test.want, tracker.Settled())
		})
	}
}

func TestTheReportListsThisRunsOrdersAndParkedEventsSorted(t *testing.T) {
	t.Parallel()
	shop := newShop()
	tracker := shop.tracker()
	bad := broken()
	note(tracker, "order-b", placed("order-b"))
	note(tracker, "order-a", placed("order-a"))
	note(tracker, "order-c", bad)
	shop.brings("order-b", order.StatusRejected, "sent")
	shop.brings("order-z", order.StatusShipped, "sent")
	shop.parks("order-c", bad, "orderId: must be the stream's name")
	shop.parks("order-y", broken(), "somebody else's")
	require.NoError(t, tracker.Look(t.Context()))

	body, err := json.Marshal(tracker.Report(1520 * time.Millisecond))

	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"orders":[
		{"orderId":"order-a","customerId":"c-1","status":"pending","reason":"","total":"USD12.10","credit":"none","email":"none",
			"lastEvent":"","viewAgrees":false},
		{"orderId":"order-b","customerId":"c-1","status":"rejected","reason":"","total":"USD12.10","credit":"reserved","email":"sent",
			"lastEvent":"order-rejected","viewAgrees":true}
	],"parked":[
		{"stream":"order-c","type":"order-placed","eventId":%q,"reason":"orderId: must be the stream's name"}
	],"seconds":1.5}`, bad.ID), string(body))
	require.Equal(t, "1 of 2 orders are at rest, 1 of 1 unusable events are parked", tracker.Progress())
}

func TestWhatTheServerCannotReadIsReportedAndNotAwaited(t *testing.T) {
	t.Parallel()
	tracker := newShop().tracker()
	cut := event(order.TypePlaced, `{"orderId":`)
	note(tracker, "order-a", cut)
	require.True(t, tracker.Settled(), "nothing will ever be parked for it")

	body, err := json.Marshal(tracker.Report(0))

	require.NoError(t, err)
	require.JSONEq(t, fmt.Sprintf(`{"orders":[],"parked":[],"seconds":0,"unlinked":[{"stream":"order-a","type":"order-placed",
		"eventId":%q,"reason":"its data is not JSON: it ends too early at byte 11"}]}`, cut.ID), string(body))
}

func TestAnEmptyReportHasEmptyLists(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(newShop().tracker().Report(0))

	require.NoError(t, err)
	require.JSONEq(t, `{"orders":[],"parked":[],"seconds":0}`, string(body))
}

func TestEveryOrderGetsItsTurnHoweverManyAreOpen(t *testing.T) {
	t.Parallel()
	shop := newShop()
	tracker := shop.tracker()
	const many = 80
	for i := range many {
		id := fmt.Sprintf("order-%03d", i)
		note(tracker, id, placed(id))
	}

	for range 3 {
		require.NoError(t, tracker.Look(t.Context()))
	}

	asked := map[string]bool{}
	for _, id := range shop.asked {
		asked[id] = true
	}
	require.Len(t, asked, many)
	require.Less(t, len(shop.asked), 2*many, "no look asks about all")
}

type mute struct{ *shop }

func (mute) State(context.Context, string) (order.State, error) {
	return order.State{}, errors.New("no worker answers")
}

func TestAnOrderThatCannotBeAskedAboutIsStillOnItsWay(t *testing.T) {
	t.Parallel()
	shop := newShop()
	tracker := orders.NewTracker(mute{shop}, shop, shop, "$ce-order", "fulfillment")
	note(tracker, "order-1", placed("order-1"))

	require.ErrorContains(t, tracker.LookAtAll(t.Context()), "no worker answers")
	require.False(t, tracker.Settled())
}
