package sampledata

import (
	"encoding/json"
	"fmt"
	"time"

	"orderflow/internal/order"
)

// tick is the precision of an event's time: the 100 nanoseconds that real ones have.
const tick = 100 * time.Nanosecond

// timeLayout is RFC 3339 with the seven decimals and the numeric zone that real events have.
const timeLayout = "2006-01-02T15:04:05.9999999-07:00"

// story is a journey as it is made up: its steps in order, each some time after the one before. The times are only
// known when the last step is.
type story struct {
	generator *Generator
	steps     []step
	elapsed   time.Duration
}

type step struct {
	stream, eventType string
	after             time.Duration
	body              func(at string) any
}

// add appends a step that comes up to so long after the one before.
func (s *story) add(stream, eventType string, within time.Duration, body func(at string) any) {
	if within > 0 {
		s.elapsed += s.generator.between(time.Second, within)
	}
	s.steps = append(s.steps, step{stream: stream, eventType: eventType, after: s.elapsed, body: body})
}

// tell makes the streams of a journey of which the outcome is settled.
func (g *Generator) tell(who *customer, lines []line, placedAt time.Time) []Stream {
	s := &story{generator: g}
	cartID, orderID := g.name("cart-"), g.name("order-")
	s.shop(who, cartID, lines)
	cart := fmt.Sprintf("%s@%d", cartID, len(s.steps))
	placed := orderPlaced{
		OrderID: orderID, CustomerID: who.id, CheckoutOfCart: cart, LineItems: items(lines),
		Shipping: shipping{Recipient: who.recipient, Address: who.address, Instructions: g.instructions()},
		Billing:  billing{Recipient: who.recipient, Address: who.address},
	}
	s.checkOut("checkout-for-"+cartID, &placed)
	s.add(cartID, typeCartCheckedOut, 0, func(at string) any {
		return cartCheckedOut{CartID: cartID, OrderID: orderID, At: at}
	})
	s.add(orderID, order.TypePlaced, 0, func(at string) any {
		placed.At = at
		return placed
	})
	return s.streams(placedAt)
}

func items(lines []line) []lineItem {
	var items []lineItem
	for _, l := range lines {
		items = append(items, lineItem{
			ProductID: l.product.id, ProductName: l.product.name, Quantity: l.quantity,
			PricePerUnit: l.product.price(), TaxRate: l.product.taxRate(),
		})
	}
	return items
}

// shop fills the cart, with a change of mind now and then.
func (s *story) shop(who *customer, cartID string, lines []line) {
	start := startedShopping{CartID: cartID}
	eventType := typeVisitorStarted
	if who.returning {
		start.CustomerID, eventType = who.id, typeCustomerStarted
	}
	s.add(cartID, eventType, 0, func(at string) any {
		start.At = at
		return start
	})
	for _, l := range lines {
		surplus := max(0, int64(s.generator.fake.IntRange(-2, 2)))
		s.addItem(cartID, l.product, l.quantity+surplus)
		if surplus > 0 {
			s.removeItem(cartID, l.product, surplus)
		}
	}
}

func (s *story) addItem(cartID string, p product, quantity int64) {
	s.add(cartID, typeItemAdded, 10*time.Minute, func(at string) any {
		return itemAdded{
			CartID: cartID, ProductID: p.id, ProductName: p.name, Quantity: quantity,
			PricePerUnit: p.price(), TaxRate: p.taxRate(), At: at,
		}
	})
}

func (s *story) removeItem(cartID string, p product, quantity int64) {
	s.add(cartID, typeItemRemoved, 5*time.Minute, func(at string) any {
		return itemRemoved{CartID: cartID, ProductID: p.id, Quantity: quantity, At: at}
	})
}

// checkOut settles how the order is shipped and paid.
func (s *story) checkOut(stream string, placed *orderPlaced) {
	fake := s.generator.fake
	placed.Shipping.Method = fake.RandomString([]string{"standard", "express", "overnight"})
	placed.Billing.PaymentMethod = fake.RandomString([]string{"wireTransfer", "debitCard", "creditCard"})
	billingType := typeBillingCopied
	if fake.IntRange(1, 3) == 1 {
		billingType, placed.Billing.Address = typeBillingCollected, newAddress(fake)
	}
	cost := fmt.Sprintf("USD%d.%02d", fake.IntRange(2, 29), fake.IntRange(0, 99))

	s.checkOutStep(stream, typeCheckoutStarted, checkoutStep{}, placed)
	s.checkOutStep(stream, typeShippingCollected, checkoutStep{
		Recipient: &placed.Shipping.Recipient, Address: &placed.Shipping.Address,
		Instructions: &placed.Shipping.Instructions,
	}, placed)
	s.checkOutStep(stream, typeMethodSelected, checkoutStep{Method: placed.Shipping.Method}, placed)
	s.checkOutStep(stream, typeCostCalculated, checkoutStep{ForMethod: placed.Shipping.Method, Cost: cost}, placed)
	s.checkOutStep(stream, billingType, checkoutStep{
		Recipient: &placed.Billing.Recipient, Address: &placed.Billing.Address,
	}, placed)
	s.checkOutStep(stream, typePaymentSelected, checkoutStep{Method: placed.Billing.PaymentMethod}, placed)
	s.checkOutStep(stream, typeCheckoutCompleted, checkoutStep{OrderID: placed.OrderID}, placed)
}

func (s *story) checkOutStep(stream, eventType string, body checkoutStep, placed *orderPlaced) {
	body.Cart = placed.CheckoutOfCart
	s.add(stream, eventType, 2*time.Minute, func(at string) any {
		body.At = at
		return body
	})
}

func (g *Generator) instructions() string {
	return g.fake.RandomString([]string{"", "", "", "Please ring twice.", "Leave it with the neighbours."})
}

// streams tells the story so that it ends at a time.
func (s *story) streams(end time.Time) []Stream {
	var streams []Stream
	for _, next := range s.steps {
		if n := len(streams); n == 0 || streams[n-1].Name != next.stream {
			streams = append(streams, Stream{Name: next.stream})
		}
		at := end.Add(next.after - s.elapsed).UTC().Format(timeLayout)
		last := &streams[len(streams)-1]
		last.Events = append(last.Events, Event{
			ID: s.generator.fake.UUID(), Type: next.eventType, ContentType: ContentTypeJSON, Data: encode(next.body(at)),
		})
	}
	return streams
}

// encode writes a body. Bodies are structs of texts and numbers, which always can be written.
func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}
