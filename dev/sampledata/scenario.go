package sampledata

import (
	"encoding/json"
	"fmt"
	"time"

	"orderflow/internal/order"
)

// tick is the precision of an event's time: 100 nanoseconds, as for real events.
const tick = 100 * time.Nanosecond

// timeLayout is RFC 3339 with the seven decimals and the numeric zone of real events.
const timeLayout = "2006-01-02T15:04:05.9999999-07:00"

// scenario is a journey that is being made up: its steps in order, each some time after
// the one before. The absolute times are known only after the last step.
type scenario struct {
	generator *Generator
	steps     []step
	elapsed   time.Duration
}

type step struct {
	stream, eventType string
	after             time.Duration
	body              func(at string) any
}

// add appends a step that occurs at most within after the one before.
func (s *scenario) add(stream, eventType string, within time.Duration, body func(at string) any) {
	if within > 0 {
		s.elapsed += s.generator.between(time.Second, within)
	}
	s.steps = append(s.steps, step{stream: stream, eventType: eventType, after: s.elapsed, body: body})
}

// build makes the streams of a journey with the given customer and lines.
func (g *Generator) build(buyer *customer, lines []line, placedAt time.Time) []Stream {
	s := &scenario{generator: g}
	cartID, orderID := g.name("cart-"), g.name("order-")
	s.fillCart(buyer, cartID, lines)
	cart := fmt.Sprintf("%s@%d", cartID, len(s.steps))
	placed := orderPlaced{
		OrderID: orderID, CustomerID: buyer.id, CheckoutOfCart: cart, LineItems: items(lines),
		Shipping: shipping{Recipient: buyer.recipient, Address: buyer.address, Instructions: g.instructions()},
		Billing:  billing{Recipient: buyer.recipient, Address: buyer.address},
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

// fillCart fills the cart; sometimes the customer changes their mind.
func (s *scenario) fillCart(buyer *customer, cartID string, lines []line) {
	start := startedShopping{CartID: cartID}
	eventType := typeVisitorStarted
	if buyer.returning {
		start.CustomerID, eventType = buyer.id, typeCustomerStarted
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

func (s *scenario) addItem(cartID string, p product, quantity int64) {
	s.add(cartID, typeItemAdded, 10*time.Minute, func(at string) any {
		return itemAdded{
			CartID: cartID, ProductID: p.id, ProductName: p.name, Quantity: quantity,
			PricePerUnit: p.price(), TaxRate: p.taxRate(), At: at,
		}
	})
}

func (s *scenario) removeItem(cartID string, p product, quantity int64) {
	s.add(cartID, typeItemRemoved, 5*time.Minute, func(at string) any {
		return itemRemoved{CartID: cartID, ProductID: p.id, Quantity: quantity, At: at}
	})
}

// checkOut decides how the order is shipped and paid.
func (s *scenario) checkOut(stream string, placed *orderPlaced) {
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

func (s *scenario) checkOutStep(stream, eventType string, body checkoutStep, placed *orderPlaced) {
	body.Cart = placed.CheckoutOfCart
	s.add(stream, eventType, 2*time.Minute, func(at string) any {
		body.At = at
		return body
	})
}

func (g *Generator) instructions() string {
	return g.fake.RandomString([]string{"", "", "", "Please ring twice.", "Leave it with the neighbours."})
}

// streams returns the scenario's streams, timed so that the scenario ends at the given
// time.
func (s *scenario) streams(end time.Time) []Stream {
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

// encode encodes a body. Bodies are structs of texts and numbers, which always can be
// encoded.
func encode(body any) []byte {
	data, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", body, err))
	}
	return data
}
