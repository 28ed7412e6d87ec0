package view_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/correlation"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func rows() view.Rows {
	return view.Rows{Orders: map[string]*view.Order{}, Customers: map[string]*view.Customer{}}
}

func event(stream string, revision uint64, kind, body string) view.Event {
	return view.Event{
		Stream: stream, Revision: revision, Type: kind, ContentType: "application/json", Data: []byte(body),
		Written: noon.Add(time.Duration(revision) * time.Minute),
	}
}

func placed(revision uint64, customer string) view.Event {
	return event("order-1", revision, "order-placed", fmt.Sprintf(`{"orderId":"order-1","customerId":%q,"at":"2026-01-01T00:00:00Z",
		"lineItems":[{"productId":"p","productName":"Tea","quantity":1,"pricePerUnit":"USD11.00","taxRate":0.1}],
		"billing":{"recipient":{"emailAddress":"ann@example.com"}}}`, customer))
}

// shippedAfterHold returns the events of an order that was held, approved and shipped.
func shippedAfterHold() []view.Event {
	return []view.Event{
		placed(0, "c-1"),
		event("credit-c-1", 0, "credit-account-opened", `{"customerId":"c-1","limit":"USD10.00"}`),
		event("credit-c-1", 1, "credit-limit-exceeded", `{"orderId":"order-1","amount":"USD12.10","available":"USD10.00","held":true}`),
		event("credit-c-1", 2, "credit-reserved", `{"orderId":"order-1","amount":"USD12.10","approvedBy":"op-1"}`),
		event("fulfillment-order-1", 0, "order-approved", `{"orderId":"order-1","customerId":"c-1","status":"fulfilling","total":"USD12.10"}`),
		placed(1, "c-2"),
		event("fulfillment-order-1", 1, "order-shipped",
			`{"orderId":"order-1","customerId":"c-1","status":"shipped","total":"USD12.10","carrier":"DHL","trackingNumber":"7"}`),
		event("credit-c-1", 3, "credit-released", `{"orderId":"order-1","amount":"USD12.10","reason":"paid"}`),
	}
}

func apply(r view.Rows, events ...view.Event) {
	for _, e := range events {
		if change, says := view.Decode(e); says {
			r.Apply(change)
		}
	}
}

func TestApply_EachEventOfAnOrder(t *testing.T) {
	t.Parallel()
	r := rows()
	for i, want := range []string{
		"pending none 0", "pending none 0", "on-hold held 0", "pending reserved 1210", "fulfilling reserved 1210",
		"fulfilling reserved 1210", "shipped reserved 1210", "shipped released 0",
	} {
		apply(r, shippedAfterHold()[i])
		var reserved int64
		if c := r.Customers["c-1"]; c != nil {
			reserved = c.Reserved
		}
		o := r.Orders["order-1"]
		require.Equal(t, want, fmt.Sprintf("%s %s %d", o.Status, o.Credit, reserved), "after event %d", i)
	}
	require.Equal(t, "c-1", r.Orders["order-1"].CustomerID, "a second order-placed event with the id is ignored")
	require.Equal(t, "DHL", r.Orders["order-1"].Carrier)
	require.Nil(t, r.Customers["c-2"])
}

func TestApply_Trace(t *testing.T) {
	t.Parallel()
	const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	with := func(e view.Event, metadata string) view.Event {
		e.Metadata = []byte(metadata)
		return e
	}
	approved := event("fulfillment-order-1", 0, "order-approved", `{"orderId":"order-1","customerId":"c-1","status":"fulfilling","total":"USD12.10"}`)
	producers := `{"$correlationId":"cart-7","traceparent":"` + traceparent + `"}`
	for name, c := range map[string]struct {
		events []view.Event
		want   correlation.Trace
	}{
		"is that of the order-placed event": {
			[]view.Event{with(placed(0, "c-1"), producers), with(approved, `{"$correlationId":"other"}`)},
			correlation.Trace{CorrelationID: "cart-7", Traceparent: traceparent},
		},
		"is that of the fulfillment without an order-placed event": {
			[]view.Event{with(approved, producers)}, correlation.Trace{CorrelationID: "cart-7", Traceparent: traceparent},
		},
		"takes the trace context that the order-placed event lacks": {
			[]view.Event{placed(0, "c-1"), with(approved, producers)}, correlation.Trace{CorrelationID: "order-1", Traceparent: traceparent},
		},
		"does not depend on the order of streams": {
			[]view.Event{with(approved, producers), placed(0, "c-1")}, correlation.Trace{CorrelationID: "order-1", Traceparent: traceparent},
		},
	} {
		r := rows()
		apply(r, c.events...)
		require.Equal(t, c.want, r.Orders["order-1"].Trace, name)
	}
}

func TestApply_RedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	once := rows()
	apply(once, shippedAfterHold()...)
	rapid.Check(t, func(t *rapid.T) {
		again := rows()
		events := shippedAfterHold()
		for i := 0; i < len(events); i++ {
			apply(again, events[i])
			if i > 0 && rapid.Bool().Draw(t, "the log is read again") {
				apply(again, events[rapid.IntRange(0, i).Draw(t, "from"):i+1]...)
			}
		}
		require.Equal(t, once, again)
	})
}

func TestApply_ReleaseBeforeReservation(t *testing.T) {
	t.Parallel()
	for reason, want := range map[string]order.Credit{"paid": order.CreditReleased, "CANCELLED": order.CreditNone} {
		r := rows()
		apply(r, placed(0, "c-1"), event("credit-c-1", 0, "credit-released",
			fmt.Sprintf(`{"orderId":"order-1","amount":"USD0.00","reason":%q}`, reason)))
		require.Equal(t, want, r.Orders["order-1"].Credit, reason)
	}
}

func TestDecode_Ignored(t *testing.T) {
	t.Parallel()
	fulfilled := func(id, rest string) view.Event {
		return event("fulfillment-"+id, 0, "order-shipped", fmt.Sprintf(`{"orderId":%q,"customerId":"c-1","total":"USD1.00",%s}`, id, rest))
	}
	tests := map[string]view.Event{
		"another stream":                         event("cart-1", 0, "order-placed", `{}`),
		"an order that cannot be decoded":        event("order-1", 0, "order-placed", `{}`),
		"a payment":                              event("order-1", 0, "order-paid", `{"amount":"USD1.00"}`),
		"an unknown credit event":                event("credit-c-1", 0, "credit-renamed", `{}`),
		"credit with an invalid order id":        event("credit-c-1", 0, "credit-reserved", `{"orderId":"1","amount":"USD1.00"}`),
		"credit without a customer":              event("credit-", 0, "credit-account-opened", `{"customerId":"","limit":"USD1.00"}`),
		"an unknown status":                      fulfilled("order-1", `"status":"lost"`),
		"a carrier with a NUL":                   fulfilled("order-1", `"status":"shipped","carrier":"a\u0000b"`),
		"a fulfillment with an invalid order id": fulfilled("1", `"status":"shipped"`),
		"another order's fulfilment": event("fulfillment-order-1", 0, "order-shipped",
			`{"orderId":"order-2","customerId":"c-1","status":"shipped","total":"USD1.00"}`),
	}
	for name, e := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, says := view.Decode(e)
			require.False(t, says)
		})
	}
}

func TestApply_ReservedDoesNotOverflow(t *testing.T) {
	t.Parallel()
	r := rows()
	most := order.Money{Minor: math.MaxInt64, Currency: "USD"}
	for i := range uint64(3) {
		apply(r, event("credit-c-1", i, "credit-reserved", fmt.Sprintf(`{"orderId":"order-%d","amount":%q}`, i, most)))
	}
	require.EqualValues(t, math.MaxInt64, r.Customers["c-1"].Reserved)
	for i := range uint64(3) {
		apply(r, event("credit-c-1", 3+i, "credit-released", fmt.Sprintf(`{"orderId":"order-%d","amount":%q,"reason":"paid"}`, i, most)))
	}
	require.Zero(t, r.Customers["c-1"].Reserved)
}
