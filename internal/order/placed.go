package order

import (
	"fmt"
	"math/big"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxLines        = 500
	maxQuantity     = 1_000_000
	maxAddressLines = 50
)

// wirePlaced holds the members of an order-placed event that are decoded. Producers write
// more members, which are ignored.
type wirePlaced struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	LineItems  []wireLine   `json:"lineItems"`
	Shipping   wireShipping `json:"shipping"`
	Billing    wireBilling  `json:"billing"`
	At         string       `json:"at"`

	Language jsontext.Value `json:"language"`
}

type wireLine struct {
	ProductID    string         `json:"productId"`
	ProductName  string         `json:"productName"`
	Quantity     jsontext.Value `json:"quantity"`
	PricePerUnit string         `json:"pricePerUnit"`
	TaxRate      jsontext.Value `json:"taxRate"`
}

type wireShipping struct {
	Recipient wireRecipient `json:"recipient"`
	Address   wireAddress   `json:"address"`
	Method    string        `json:"method"`
}

type wireBilling struct {
	Recipient wireRecipient `json:"recipient"`
}

type wireRecipient struct {
	Title        string `json:"title"`
	FullName     string `json:"fullName"`
	EmailAddress string `json:"emailAddress"`
	PhoneNumber  string `json:"phoneNumber"`
}

type wireAddress struct {
	Country string   `json:"country"`
	Lines   []string `json:"lines"`
}

// DecodePlaced decodes the body of an order-placed event on the given stream. Every fault
// is an *InvalidError, and the first one found is returned.
func DecodePlaced(stream, contentType string, body []byte) (Placed, error) {
	var wire wirePlaced
	if err := unmarshal(contentType, body, &wire); err != nil {
		return Placed{}, err
	}
	var c checker
	placed := Placed{
		OrderID:        c.orderID(wire.OrderID, stream),
		CustomerID:     c.identifier("customerId", wire.CustomerID),
		PlacedAt:       c.timestamp("at", wire.At),
		ShippingMethod: c.text("shipping.method", wire.Shipping.Method),
		Recipient:      c.recipient(wire.Shipping.Recipient),
		Address:        c.address(wire.Shipping.Address),
		Language:       language(wire.Language),
		Email:          c.email(wire),
	}
	placed.Lines, placed.Total = c.lines(wire.LineItems)
	if c.fault != nil {
		return Placed{}, c.fault
	}
	return placed, nil
}

func (c *checker) recipient(wire wireRecipient) Recipient {
	return Recipient{
		Title:    c.text("shipping.recipient.title", wire.Title),
		FullName: c.text("shipping.recipient.fullName", wire.FullName),
		Phone:    c.text("shipping.recipient.phoneNumber", wire.PhoneNumber),
	}
}

func (c *checker) address(wire wireAddress) Address {
	if len(wire.Lines) > maxAddressLines {
		c.addFault("shipping.address.lines", fmt.Sprintf("must have at most %d lines", maxAddressLines))
		return Address{}
	}
	for i, line := range wire.Lines {
		c.text(fmt.Sprintf("shipping.address.lines[%d]", i), line)
	}
	return Address{Country: c.text("shipping.address.country", wire.Country), Lines: wire.Lines}
}

// email returns the billing recipient's address, or the shipping recipient's if the
// former cannot be an address.
func (c *checker) email(wire wirePlaced) string {
	for _, recipient := range []wireRecipient{wire.Billing.Recipient, wire.Shipping.Recipient} {
		if address, ok := emailAddress(recipient.EmailAddress); ok {
			return address
		}
	}
	c.addFault("billing.recipient.emailAddress", "must be a usable e-mail address, here or at shipping.recipient.emailAddress")
	return ""
}

// lines checks every line and adds up the total. All prices must be in the currency of
// the first.
func (c *checker) lines(wires []wireLine) ([]Line, Money) {
	switch {
	case len(wires) == 0:
		c.addFault("lineItems", "must have at least one line")
		return nil, Money{}
	case len(wires) > maxLines:
		c.addFault("lineItems", fmt.Sprintf("must have at most %d lines", maxLines))
		return nil, Money{}
	}
	lines := make([]Line, 0, len(wires))
	sum, currency := new(big.Int), ""
	for i, wire := range wires {
		line := c.line(i, wire, currency)
		if c.fault != nil {
			return nil, Money{}
		}
		currency = line.Total.Currency
		sum.Add(sum, big.NewInt(line.Total.Minor))
		lines = append(lines, line)
	}
	if sum.Sign() == 0 {
		c.addFault("lineItems", "must come to more than 0")
	}
	return lines, c.money("lineItems", "come to too large a total", sum, currency)
}

func (c *checker) line(index int, wire wireLine, currency string) Line {
	at := fmt.Sprintf("lineItems[%d].", index)
	line := Line{
		No:          index + 1,
		ProductID:   c.identifier(at+"productId", wire.ProductID),
		ProductName: c.text(at+"productName", wire.ProductName),
		Quantity:    c.quantity(at+"quantity", wire.Quantity),
	}
	price, currency := c.price(at+"pricePerUnit", wire.PricePerUnit, currency)
	rate := c.rate(at+"taxRate", wire.TaxRate)
	if c.fault != nil {
		return Line{}
	}
	digits, _ := decimals(currency)
	line.UnitPrice = price.FloatString(max(digits, precision(price)))
	line.TaxRate = rate.FloatString(precision(rate))

	gross := new(big.Rat).Add(rate, big.NewRat(1, 1))
	gross.Mul(gross, price).Mul(gross, big.NewRat(int64(line.Quantity), 1))
	line.Total = c.money(at[:len(at)-1], "comes to too large a total", roundHalfUp(gross, digits), currency)
	return line
}

func (c *checker) quantity(path string, raw jsontext.Value) int {
	value, fault := parseExact(raw)
	switch {
	case fault != "":
		c.addFault(path, fault)
	case !value.IsInt():
		c.addFault(path, "must be a whole number")
	case value.Cmp(big.NewRat(1, 1)) < 0:
		c.addFault(path, "must be at least 1")
	case value.Cmp(big.NewRat(maxQuantity, 1)) > 0:
		c.addFault(path, fmt.Sprintf("must be at most %d", maxQuantity))
	default:
		return int(value.Num().Int64())
	}
	return 0
}

// price parses an amount of money that may have more decimals than its currency, such as
// the price of a screw.
func (c *checker) price(path, text, want string) (*big.Rat, string) {
	if text == "" {
		c.addFault(path, "is missing")
		return nil, ""
	}
	currency, number, err := splitMoney(text)
	if err != nil {
		c.addFault(path, err.Error())
		return nil, ""
	}
	if _, known := decimals(currency); !known {
		c.addFault(path, errMoneyCurrency.Error())
		return nil, ""
	}
	if want != "" && currency != want {
		c.addFault(path, "must be in the same currency as the first line")
	}
	value, _ := new(big.Rat).SetString(number)
	if precision(value) > maxPrecision {
		c.addFault(path, fmt.Sprintf("must have at most %d decimals", maxPrecision))
	}
	return value, currency
}

func (c *checker) rate(path string, raw jsontext.Value) *big.Rat {
	value, fault := parseExact(raw)
	switch {
	case fault != "":
		c.addFault(path, fault)
	case value.Sign() < 0 || value.Cmp(big.NewRat(1, 1)) > 0:
		c.addFault(path, "must be between 0 and 1")
	case precision(value) > maxPrecision:
		c.addFault(path, fmt.Sprintf("must have at most %d decimals", maxPrecision))
	default:
		return value
	}
	return new(big.Rat)
}

// money returns an amount of minor units, which must fit 64 bits.
func (c *checker) money(path, fault string, minor *big.Int, currency string) Money {
	if !minor.IsInt64() {
		c.addFault(path, fault)
		return Money{}
	}
	return Money{Minor: minor.Int64(), Currency: currency}
}

func (c *checker) orderID(id, stream string) string {
	switch {
	case c.identifier("orderId", id) == "":
	case !ValidID(id):
		c.addFault("orderId", ErrInvalidID.Error())
	case id != stream:
		c.addFault("orderId", "must be the name of the stream")
	}
	return id
}
