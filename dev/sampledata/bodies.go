package sampledata

import "encoding/json"

// The types of a journey's events, in the order in which they first occur.
const (
	typeVisitorStarted    = "visitor-started-shopping"
	typeCustomerStarted   = "customer-started-shopping"
	typeItemAdded         = "item-got-added-to-cart"
	typeItemRemoved       = "item-got-removed-from-cart"
	typeCheckoutStarted   = "checkout-started"
	typeShippingCollected = "shipping-information-collected"
	typeMethodSelected    = "shipping-method-selected"
	typeCostCalculated    = "shipping-cost-calculated"
	typeBillingCopied     = "billing-information-copied-from-shipping-information"
	typeBillingCollected  = "billing-information-collected"
	typePaymentSelected   = "payment-method-selected"
	typeCheckoutCompleted = "checkout-completed"
	typeCartCheckedOut    = "cart-got-checked-out"
)

type recipient struct {
	Title        string `json:"title"`
	FullName     string `json:"fullName"`
	EmailAddress string `json:"emailAddress"`
	PhoneNumber  string `json:"phoneNumber"`
}

type address struct {
	Country string   `json:"country"`
	Lines   []string `json:"lines"`
}

type startedShopping struct {
	CartID     string `json:"cartId"`
	CustomerID string `json:"customerId,omitempty"`
	At         string `json:"at"`
}

type itemAdded struct {
	CartID       string      `json:"cartId"`
	ProductID    string      `json:"productId"`
	ProductName  string      `json:"productName"`
	Quantity     int64       `json:"quantity"`
	PricePerUnit string      `json:"pricePerUnit"`
	TaxRate      json.Number `json:"taxRate"`
	At           string      `json:"at"`
}

type itemRemoved struct {
	CartID    string `json:"cartId"`
	ProductID string `json:"productId"`
	Quantity  int64  `json:"quantity"`
	At        string `json:"at"`
}

// checkoutStep is any event of a checkout. Each event sets only its own fields.
type checkoutStep struct {
	Cart         string     `json:"cart"`
	Recipient    *recipient `json:"recipient,omitempty"`
	Address      *address   `json:"address,omitempty"`
	Instructions *string    `json:"instructions,omitempty"`
	Method       string     `json:"method,omitempty"`
	ForMethod    string     `json:"forMethod,omitempty"`
	Cost         string     `json:"cost,omitempty"`
	OrderID      string     `json:"orderId,omitempty"`
	At           string     `json:"at"`
}

type cartCheckedOut struct {
	CartID  string `json:"cartId"`
	OrderID string `json:"orderId"`
	At      string `json:"at"`
}

type orderPlaced struct {
	OrderID        string     `json:"orderId"`
	CustomerID     string     `json:"customerId"`
	CheckoutOfCart string     `json:"checkoutOfCart"`
	LineItems      []lineItem `json:"lineItems"`
	Shipping       shipping   `json:"shipping"`
	Billing        billing    `json:"billing"`
	At             string     `json:"at"`
}

type lineItem struct {
	ProductID    string      `json:"productId"`
	ProductName  string      `json:"productName"`
	Quantity     int64       `json:"quantity"`
	PricePerUnit string      `json:"pricePerUnit"`
	TaxRate      json.Number `json:"taxRate"`
}

type shipping struct {
	Recipient    recipient `json:"recipient"`
	Address      address   `json:"address"`
	Instructions string    `json:"instructions"`
	Method       string    `json:"method"`
}

type billing struct {
	Recipient     recipient `json:"recipient"`
	Address       address   `json:"address"`
	PaymentMethod string    `json:"paymentMethod"`
}
