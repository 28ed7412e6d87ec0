package order

import "errors"

// ErrInvalidCode is the error for a code that ValidCode refuses. Its text is the rule: the
// caller puts the name of the code in front.
var ErrInvalidCode = errors.New("must be 1 to 64 of [A-Za-z0-9._-]")

type wirePaid struct {
	OrderID   *string `json:"orderId"`
	PaymentID *string `json:"paymentId"`
	Amount    string  `json:"amount"`
}

type wireCancellation struct {
	OrderID *string `json:"orderId"`
	Reason  string  `json:"reason"`
}

// DecodePaid decodes the body of an order-paid event on an order's stream. Every fault is
// an *InvalidError.
func DecodePaid(stream, contentType string, body []byte) (Paid, error) {
	var wire wirePaid
	if err := unmarshal(contentType, body, &wire); err != nil {
		return Paid{}, err
	}
	var c checker
	paid := Paid{OrderID: c.streamID(wire.OrderID, stream), Amount: c.amount("amount", wire.Amount)}
	if wire.PaymentID != nil {
		paid.PaymentID = c.identifier("paymentId", *wire.PaymentID)
	}
	if c.fault != nil {
		return Paid{}, c.fault
	}
	return paid, nil
}

// DecodeCancellation decodes the body of an order-cancellation-requested event on an
// order's stream. Every fault is an *InvalidError.
func DecodeCancellation(stream, contentType string, body []byte) (Cancellation, error) {
	var wire wireCancellation
	if err := unmarshal(contentType, body, &wire); err != nil {
		return Cancellation{}, err
	}
	var c checker
	cancellation := Cancellation{OrderID: c.streamID(wire.OrderID, stream), Reason: c.code("reason", wire.Reason)}
	if c.fault != nil {
		return Cancellation{}, c.fault
	}
	return cancellation, nil
}

// streamID returns the id of the stream's order. An event on the stream may omit the id,
// but must not name another order.
func (c *checker) streamID(id *string, stream string) string {
	if id == nil {
		id = &stream
	}
	return c.orderID(*id, stream)
}

func (c *checker) amount(path, text string) Money {
	if text == "" {
		c.addFault(path, "is missing")
		return Money{}
	}
	amount, err := ParseMoney(text)
	if err != nil {
		c.addFault(path, err.Error())
		return Money{}
	}
	if amount.IsZero() {
		c.addFault(path, "must be more than 0")
	}
	return amount
}

func (c *checker) code(path, code string) string {
	switch {
	case code == "":
		c.addFault(path, "is missing")
	case !ValidCode(code):
		c.addFault(path, ErrInvalidCode.Error())
	}
	return code
}
