package judge

import (
	"fmt"
	"slices"
	"strings"

	"orderflow/deploy/checker/internal/facts"
	"orderflow/internal/order"
)

// The kinds of mail and the states of the ledger that the rules below name.
const (
	kindConfirmation = "confirmation"
	kindRejection    = "rejection"
	kindShipment     = "shipment"
	kindCancellation = "cancellation"

	mailSent    = "sent"
	mailUnknown = "unknown"
)

func mails() []Invariant {
	return []Invariant{
		{"mail.count", "of a kind an order has at most one mail, and one more for each attempt of which nobody knows", eachOrder(mailCount)},
		{"mail.sent", "what the ledger says was sent is in the inbox, and what it knows was not sent is not", eachOrder(mailSentOrNot)},
		{"mail.ledger", "no mail goes out that the ledger does not know", eachOrder(mailLedger)},
		{"mail.recipient", "a mail goes to the order's address and carries its tags", placedOrder(mailRecipient)},
		{"mail.due", "an order has the mails that its state calls for, and no other", eachOrder(mailDue)},
		{"mail.settled", "no mail is left on its way", eachOrder(mailSettled)},
	}
}

func mailCount(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		if got := len(o.MessagesOf(m.Kind)); got > 1+m.Unknown {
			details = append(details, fmt.Sprintf("%d %s mails, with %d unknown attempts", got, m.Kind, m.Unknown))
		}
	}
	return details
}

func mailSentOrNot(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		messages := o.MessagesOf(m.Kind)
		for _, id := range m.MessageIDs {
			if !slices.ContainsFunc(messages, func(in facts.Message) bool { return in.ID == id }) {
				details = append(details, fmt.Sprintf("the %s mail's message is not in the inbox", m.Kind))
			}
		}
		certain := m.Unknown == 0
		details = append(details, pick(
			broken{m.Status == mailSent && len(m.MessageIDs) == 0 && m.Resolution != mailSent, fmt.Sprintf("the %s mail was sent without a message id", m.Kind)},
			broken{m.Status != mailSent && certain && len(messages) > 0, fmt.Sprintf("the %s mail is %s and in the inbox", m.Kind, m.Status)},
		)...)
	}
	return details
}

func mailLedger(o *facts.Order) []string {
	var details []string
	for _, m := range o.Messages {
		if o.Mail(m.Kind) == nil {
			details = append(details, fmt.Sprintf("a %q mail went out that the ledger does not know", m.Kind))
		}
	}
	return details
}

func mailRecipient(o *facts.Order, placed facts.Placed) []string {
	var details []string
	for _, m := range o.Messages {
		details = append(details, pick(
			broken{m.To != placed.Email, fmt.Sprintf("a %s mail went to another address", m.Kind)},
			broken{m.OrderTag != strings.ReplaceAll(o.ID, ".", "_"), fmt.Sprintf("a %s mail is tagged with another order", m.Kind)},
		)...)
	}
	for _, m := range o.Mails {
		erased := m.Recipient == ""
		details = append(details, pick(broken{!erased && m.Recipient != placed.Email, fmt.Sprintf("the %s mail is for another address", m.Kind)})...)
	}
	return details
}

func mailDue(o *facts.Order) []string {
	if o.Row == nil {
		return pick(broken{len(o.Mails) > 0, "has mails and no row"})
	}
	want, maybe := due(o)
	var details []string
	for _, kind := range want {
		details = append(details, pick(broken{o.Mail(kind) == nil, fmt.Sprintf("is %s and has no %s mail", o.Row.Status, kind)})...)
	}
	for _, m := range o.Mails {
		called := slices.Contains(want, m.Kind) || slices.Contains(maybe, m.Kind)
		details = append(details, pick(broken{!called, fmt.Sprintf("is %s and has a %s mail", o.Row.Status, m.Kind)})...)
	}
	return details
}

// due says which mails an order must have, and which others it may.
func due(o *facts.Order) (want, maybe []string) {
	switch o.Row.Status {
	case order.StatusRejected:
		return []string{kindRejection}, nil
	case order.StatusShipped:
		return []string{kindConfirmation, kindShipment}, nil
	case order.StatusFulfilling:
		return []string{kindConfirmation}, nil
	case order.StatusCancelled:
		if o.Row.Lines.Count == 0 { // closed before its fulfilment began: the customer was told nothing
			return nil, nil
		}
		if m := o.Mail(kindConfirmation); m != nil && told(*m) {
			return []string{kindConfirmation, kindCancellation}, nil
		}
		return []string{kindConfirmation}, []string{kindCancellation}
	default:
		return nil, nil
	}
}

// told tells whether the customer has the mail, or may have it.
func told(m facts.Mail) bool { return m.Status == mailSent || m.Status == mailUnknown || m.Unknown > 0 }

func mailSettled(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		if m.Status == "pending" || m.Status == "sending" {
			details = append(details, fmt.Sprintf("the %s mail is left %s", m.Kind, m.Status))
		}
	}
	return details
}
