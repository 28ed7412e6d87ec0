package load

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// Order is an order to place.
type Order struct {
	ID       string
	Customer string
}

// Orders returns so many orders, each of another customer: no two of them contend for an
// account.
func Orders(count int) []Order {
	orders := make([]Order, count)
	for i := range orders {
		orders[i] = Order{ID: "order-" + uuid.NewString(), Customer: "customer-" + uuid.NewString()}
	}
	return orders
}

// OrdersOf returns so many orders of one customer.
func OrdersOf(customer string, count int) []Order {
	orders := Orders(count)
	for i := range orders {
		orders[i].Customer = customer
	}
	return orders
}

// price is the price of an order's only product. A new account's limit covers hundreds of
// such orders.
const price = "USD1.00"

type (
	body struct {
		OrderID    string    `json:"orderId"`
		CustomerID string    `json:"customerId"`
		At         time.Time `json:"at"`
		LineItems  []item    `json:"lineItems"`
		Shipping   shipping  `json:"shipping"`
		Billing    billing   `json:"billing"`
	}
	item struct {
		ProductID   string  `json:"productId"`
		ProductName string  `json:"productName"`
		Quantity    int     `json:"quantity"`
		Price       string  `json:"pricePerUnit"`
		TaxRate     float64 `json:"taxRate"`
	}
	shipping struct {
		Recipient recipient `json:"recipient"`
		Address   address   `json:"address"`
		Method    string    `json:"method"`
	}
	billing struct {
		Recipient recipient `json:"recipient"`
	}
	recipient struct {
		FullName string `json:"fullName"`
		Email    string `json:"emailAddress"`
	}
	address struct {
		Country string   `json:"country"`
		Lines   []string `json:"lines"`
	}
)

// Event returns the event that places the order now.
func (o Order) Event() kurrent.NewEvent {
	person := recipient{FullName: "Ada Example", Email: "ada@example.com"}
	data, err := json.Marshal(body{
		OrderID: o.ID, CustomerID: o.Customer, At: time.Now().UTC(),
		LineItems: []item{{ProductID: "1", ProductName: "Lamp", Quantity: 1, Price: price, TaxRate: 0.21}},
		Shipping:  shipping{Recipient: person, Address: address{Country: "NL", Lines: []string{"Street 1"}}, Method: "express"},
		Billing:   billing{Recipient: person},
	})
	if err != nil {
		panic(err) // a struct of strings and numbers
	}
	return kurrent.NewEvent{ID: uuid.New(), Type: order.TypePlaced, Data: data}
}

// delivered returns the event of the order as the bridge would get it.
func (o Order) delivered() bridge.Event {
	e := o.Event()
	return bridge.Event{ID: e.ID, Stream: o.ID, Type: e.Type, ContentType: "application/json", Data: e.Data}
}
