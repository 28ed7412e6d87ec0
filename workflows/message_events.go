package workflows

import "orderflow/internal/order"

// DecodeEvent decodes the body of an event that carries a message for an order. Its
// members are those of the message, by the same rules, and orderId, which may be left
// out. The error is for the reason that the event is parked with: it never repeats a
// value.
//
//workflowcheck:ignore
func DecodeEvent[M Message](orderID, contentType string, body []byte) (m M, err error) {
	message, err := order.CutOrderID(orderID, contentType, body)
	if err != nil {
		return m, err
	}
	return decodeJSON[M](message)
}
