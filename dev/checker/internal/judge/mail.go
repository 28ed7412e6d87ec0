package judge

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// The kinds of email and the states of the ledger that the rules below use.
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
		{"mail.count", "an order has at most one email of a kind, and one more for each attempt with an unknown outcome", remembered(mailCount)},
		{"mail.sent", "what the ledger records as sent is in the inbox, and what it records as not sent is not", both(eachOrder(mailSentTruly), remembered(mailNotSentTruly))},
		{"mail.ledger", "no email is sent that the ledger does not record", remembered(mailLedger)},
		{"mail.recipient", "an email goes to the order's address and has its tags", placedOrder(mailRecipient)},
		{"mail.due", "an order has the emails that its state requires, and no others", eachOrder(mailDue)},
		{"mail.result", "an email that a closed workflow reported as sent is not sent again", eachOrder(mailResult)},
		{"mail.suppressed", "an address that takes no more email gets none, and its email stream says so once", eachOrder(suppressed)},
		{"mail.settled", "no email is left pending or sending", eachOrder(mailSettled)},
	}
}

// forgottenWithin is how long before and after a span of lost commits an email may have
// been accepted whose claim is lost. What was committed just before had not reached the
// standby, and a send outlives the commit of its claim.
const forgottenWithin = 5 * time.Second

// remembered runs a check on orders without the emails whose record a failover may have
// lost: the ledger cannot account for emails that it has lost.
func remembered(check func(*facts.Order) []string) func(*facts.Facts) []Violation {
	return func(f *facts.Facts) []Violation {
		return eachOrder(func(o *facts.Order) []string {
			known := *o
			known.Messages = slices.DeleteFunc(slices.Clone(o.Messages), func(m facts.Message) bool {
				return slices.ContainsFunc(f.Lost, func(s facts.Span) bool { return s.Covers(m.At, forgottenWithin) })
			})
			return check(&known)
		})(f)
	}
}

// mailResult checks the result of a closed run, even if the ledger has lost the email.
func mailResult(o *facts.Order) []string {
	run := settledRun(o)
	if run == nil || run.Outcome == nil || run.Outcome.Email != mailSent {
		return nil
	}
	kind := newest(o, run.Outcome.Status)
	messages := o.MessagesOf(kind)
	again := slices.ContainsFunc(messages, func(m facts.Message) bool { return m.At.After(run.Closed.Add(forgottenWithin)) })
	return pick(broken{len(messages) > 1 && again, fmt.Sprintf("a %s email was sent again after its workflow had ended with it sent", kind)})
}

// newest returns the kind of email that the order's final status calls for.
func newest(o *facts.Order, status order.Status) string {
	switch {
	case status == order.StatusShipped:
		kinds := shipments(o)
		return kinds[len(kinds)-1]
	case status == order.StatusRejected:
		return kindRejection
	case len(o.MessagesOf(kindCancellation)) > 0:
		return kindCancellation
	default:
		return kindConfirmation
	}
}

func mailCount(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		if got := len(o.MessagesOf(m.Kind)); got > 1+m.Unknown {
			details = append(details, fmt.Sprintf("%d %s emails, with %d unknown attempts", got, m.Kind, m.Unknown))
		}
	}
	return details
}

func mailSentTruly(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		messages := o.MessagesOf(m.Kind)
		for _, id := range m.MessageIDs {
			if !slices.ContainsFunc(messages, func(in facts.Message) bool { return in.ID == id }) {
				details = append(details, fmt.Sprintf("the %s email's message is not in the inbox", m.Kind))
			}
		}
		nameless := m.Status == mailSent && len(m.MessageIDs) == 0 && m.Resolution != mailSent
		details = append(details, pick(broken{nameless, fmt.Sprintf("the %s email was sent without a message id", m.Kind)})...)
	}
	return details
}

func mailNotSentTruly(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		certain := m.Status != mailSent && m.Unknown == 0
		details = append(details, pick(broken{certain && len(o.MessagesOf(m.Kind)) > 0, fmt.Sprintf("the %s email is %s and in the inbox", m.Kind, m.Status)})...)
	}
	return details
}

func mailLedger(o *facts.Order) []string {
	var details []string
	for _, m := range o.Messages {
		if o.Mail(m.Kind) == nil {
			details = append(details, fmt.Sprintf("a %q email was sent that the ledger does not record", m.Kind))
		}
	}
	return details
}

func mailRecipient(o *facts.Order, placed facts.Placed) []string {
	var details []string
	for _, m := range o.Messages {
		details = append(details, pick(
			broken{m.To != placed.Email, fmt.Sprintf("a %s email went to another address", m.Kind)},
			broken{m.OrderTag != strings.NewReplacer("_", "__", ".", "_-").Replace(o.ID), fmt.Sprintf("a %s email is tagged with another order", m.Kind)},
		)...)
	}
	for _, m := range o.Mails {
		erased := m.Recipient == ""
		details = append(details, pick(broken{!erased && m.Recipient != placed.Email, fmt.Sprintf("the %s email is for another address", m.Kind)})...)
	}
	return details
}

func mailDue(o *facts.Order) []string {
	if o.Row == nil {
		return pick(broken{len(o.Mails) > 0, "has emails and no row"})
	}
	want, maybe := due(o)
	var details []string
	for _, kind := range want {
		details = append(details, pick(broken{o.Mail(kind) == nil, fmt.Sprintf("is %s and has no %s email", o.Row.Status, kind)})...)
	}
	for _, m := range o.Mails {
		called := slices.Contains(want, m.Kind) || slices.Contains(maybe, m.Kind)
		details = append(details, pick(broken{!called, fmt.Sprintf("is %s and has a %s email", o.Row.Status, m.Kind)})...)
	}
	return details
}

// due returns the emails that an order must have, and others that it may have.
func due(o *facts.Order) (want, maybe []string) {
	switch o.Row.Status {
	case order.StatusRejected:
		return []string{kindRejection}, nil
	case order.StatusShipped:
		return append([]string{kindConfirmation}, shipments(o)...), nil
	case order.StatusFulfilling:
		return append([]string{kindConfirmation}, shipments(o)...), nil
	case order.StatusCancelled:
		if o.Row.Revision == 0 { // closed before its fulfillment began: the customer was told nothing
			return nil, nil
		}
		if m := o.Mail(kindConfirmation); m != nil && reachedCustomer(*m) {
			return []string{kindConfirmation, kindCancellation}, nil
		}
		return []string{kindConfirmation}, []string{kindCancellation}
	default:
		return nil, nil
	}
}

// shipments returns the kinds of the emails about an order's parcels: one each, or one
// about an order that was shipped as a whole.
func shipments(o *facts.Order) []string {
	if o.Row == nil || len(o.Row.Parcels) == 0 {
		if o.Row != nil && o.Row.Status == order.StatusFulfilling {
			return nil
		}
		return []string{kindShipment}
	}
	kinds := []string{kindShipment}
	for n := 2; n <= len(o.Row.Parcels); n++ {
		kinds = append(kinds, fmt.Sprintf("%s-%d", kindShipment, n))
	}
	return kinds
}

// reachedCustomer reports whether the customer has the email, or may have it.
func reachedCustomer(m facts.Mail) bool {
	return m.Status == mailSent || m.Status == mailUnknown || m.Unknown > 0
}

func mailSettled(o *facts.Order) []string {
	var details []string
	for _, m := range o.Mails {
		if m.Status == "pending" || m.Status == "sending" {
			details = append(details, fmt.Sprintf("the %s email is left %s", m.Kind, m.Status))
		}
	}
	return details
}
