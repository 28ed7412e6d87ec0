package credit

import "orderflow/internal/order"

// Restore reserves an order whose reservation the account has lost, because its stream was
// restored from a backup. It decides by the rule. An order that does not fit any more, or
// that is held, is recorded as held and approved by the given code: the order was accepted,
// and may have shipped. If the order was settled, Restore returns that decision. It refuses
// an order in another currency than the account's. Its errors are those of Reserve and
// Approve. terms.HoldUntil must be set.
func (a *Account) Restore(orderID string, amount order.Money, by string, terms Terms) (Decision, []Event, error) {
	if terms.UnknownCustomer == UnknownReject {
		terms.UnknownCustomer = UnknownHold
	}
	decision, events, err := a.Reserve(orderID, amount, terms)
	if err != nil || decision.Verdict != VerdictHeld {
		return decision, events, err
	}
	after := a.Draft()
	for _, event := range events {
		if err := after.Apply(event); err != nil {
			return Decision{}, nil, err
		}
	}
	decision, approval, err := after.Approve(orderID, amount, by, terms)
	if err != nil {
		return Decision{}, nil, err
	}
	return decision, append(events, approval...), nil
}
