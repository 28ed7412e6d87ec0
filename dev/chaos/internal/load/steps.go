package load

import (
	"bytes"
	"context"
	"log/slog"
	"maps"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/erasure"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
	"orderflow/workflows"
)

// steps runs steps one after the other.
func steps(all ...step) step {
	return func(ctx context.Context, l *orderDriver) error {
		for _, s := range all {
			if err := s(ctx, l); err != nil {
				return err
			}
		}
		return nil
	}
}

func place(ctx context.Context, l *orderDriver) error {
	if l.http {
		return steps(post, look)(ctx, l)
	}
	return l.append(ctx, l.eventID, order.TypePlaced, encode(l.body))
}

// shipment is the warehouse's message. A different carrier makes a different shipment.
func (l *orderDriver) shipment(carrier string) workflows.RecordShipment {
	return workflows.RecordShipment{Carrier: carrier, TrackingNumber: "T" + l.id[len(l.id)-12:]}
}

func shipBySignal(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.RecordShipmentMessage, l.shipment("DHL"))
}

func shipByUpdate(ctx context.Context, l *orderDriver) error {
	return l.update(ctx, workflows.RecordShipmentMessage, l.shipment("DHL"))
}

// shipTwice sends the same shipment in both ways at once, and then a different one, which
// is refused.
func shipTwice(ctx context.Context, l *orderDriver) error {
	return steps(together(shipBySignal, shipByUpdate), func(ctx context.Context, l *orderDriver) error {
		return l.signal(ctx, workflows.RecordShipmentMessage, l.shipment("UPS"))
	})(ctx, l)
}

// shipPart ships one piece of the order's first line. Repeated, it is the same parcel.
func shipPart(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.RecordShipmentMessage, l.parcel("GLS", 1))
}

// shipTooMuch ships more of the order's first line than any order has, which is refused.
func shipTooMuch(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.RecordShipmentMessage, l.parcel("FedEx", 1_000_000))
}

// parcel is a shipment of a quantity of the order's first line.
func (l *orderDriver) parcel(carrier string, quantity int) workflows.RecordShipment {
	m := l.shipment(carrier)
	m.Lines = []order.ParcelLine{{Line: 1, Quantity: quantity}}
	return m
}

func cancelBySignal(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
}

func cancelByUpdate(ctx context.Context, l *orderDriver) error {
	return l.update(ctx, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
}

func cancelNatively(ctx context.Context, l *orderDriver) error { return l.cancelNative(ctx) }

// terminate terminates the workflow, as an operator does by mistake instead of canceling
// it.
func terminate(ctx context.Context, l *orderDriver) error { return l.terminate(ctx) }

func cancelByEvent(ctx context.Context, l *orderDriver) error {
	body := encode(map[string]string{"reason": "customer-request"})
	return l.append(ctx, l.eventIDFor("cancel"), order.TypeCancellationRequested, body)
}

// race ships and cancels at the same moment.
func race(ctx context.Context, l *orderDriver) error {
	ships := []step{shipBySignal, shipByUpdate}
	cancels := []step{cancelBySignal, cancelByUpdate, cancelNatively, cancelByEvent}
	if l.http {
		cancels = append(cancels, cancelByHTTP)
	}
	return together(ships[l.random.IntN(len(ships))], cancels[l.random.IntN(len(cancels))])(ctx, l)
}

// together runs steps concurrently.
func together(all ...step) step {
	return func(ctx context.Context, l *orderDriver) error {
		var group errgroup.Group
		for _, s := range all {
			group.Go(func() error { return s(ctx, l) })
		}
		return group.Wait()
	}
}

// pay pays the order's total, with a new event each time.
func pay(ctx context.Context, l *orderDriver) error {
	id := l.eventIDFor("pay" + string(rune('0'+l.next)))
	return l.append(ctx, id, order.TypePaid, encode(map[string]string{"amount": l.total}))
}

func approve(ctx context.Context, l *orderDriver) error {
	return l.decide(ctx, workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1", Note: "good customer"})
}

func decline(ctx context.Context, l *orderDriver) error {
	return l.decide(ctx, workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2"})
}

// lateLead is how long before the end of a hold decisions are sent at the earliest.
const lateLead = 1500 * time.Millisecond

// decideLate sends one or two decisions shortly before the hold ends. Without a worker to
// process them one by one, they and the end of the hold meet in one workflow task.
func decideLate(ctx context.Context, l *orderDriver) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	wait(ctx, l.hold-l.pace(lateLead))
	told := [][]step{
		{approveBySignal}, {declineBySignal}, {approveBySignal, declineBySignal}, {declineBySignal, approveBySignal},
		{approveBySignal, cancelBySignal}, {cancelBySignal, approveBySignal}, {cancelNatively, approveBySignal},
		{declineBySignal, cancelBySignal},
	}
	return steps(told[l.random.IntN(len(told))]...)(ctx, l)
}

func approveBySignal(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"})
}

func declineBySignal(ctx context.Context, l *orderDriver) error {
	return l.signal(ctx, workflows.DeclineCreditMessage, workflows.DeclineCredit{By: "op-2"})
}

// vanish deletes the order while it is on hold and then approves it: its body is gone
// when it is needed.
func vanish(ctx context.Context, l *orderDriver) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	return steps(erase, approve)(ctx, l)
}

func erase(ctx context.Context, l *orderDriver) error { return l.erase(ctx) }

// forget erases the order's customer, as an operator does who repeats the command until it
// succeeds: the order is open until its emails are sent, and unpaid until it is settled.
func forget(ctx context.Context, l *orderDriver) error {
	stores := erasure.Stores{
		Temporal: l.stores.Temporal, Events: l.stores.Events, Rows: l.stores.Rows,
		Accounts: streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: l.stores.Events}), Logger: slog.New(slog.DiscardHandler),
	}
	l.mu.Lock()
	l.erased = true
	l.mu.Unlock()
	return l.retryUntilDone(ctx, "erase the customer", func(ctx context.Context) (bool, error) {
		_, err := erasure.Erase(ctx, stores, erasure.Subject{CustomerID: l.customer()}, erasure.Options{})
		return err == nil, err
	})
}

// placeUnmailable uses an address that the provider permanently rejects.
func placeUnmailable(ctx context.Context, l *orderDriver) error {
	l.mail.reject(l.address())
	return place(ctx, l)
}

// repeat appends the very same event once more, as a producer does that lost its state.
func repeat(ctx context.Context, l *orderDriver) error { return place(ctx, l) }

// contradict places the order once more, by another event and with another amount.
func contradict(ctx context.Context, l *orderDriver) error {
	if l.http {
		if err := conflictingPost(ctx, l); err != nil {
			return err
		}
	}
	return l.append(ctx, l.eventIDFor("contradict"), order.TypePlaced, encode(l.contradicted()))
}

// contradicted returns the same order with another amount.
func (p *placement) contradicted() map[string]any {
	other := maps.Clone(p.body)
	other["lineItems"] = append(other["lineItems"].([]any), map[string]any{
		"productId": "4006381000204", "productName": "Standing Desk", "quantity": 1, "pricePerUnit": "USD763.20", "taxRate": 0.21,
	})
	return other
}

// intrude writes to the order's fulfillment stream, where only its versions belong: they
// can never be appended then.
func intrude(ctx context.Context, l *orderDriver) error {
	event := kurrent.NewEvent{ID: l.eventIDFor("intrude"), Type: "note-added", Data: []byte(`{"by":"stranger"}`)}
	return l.retryUntilDone(ctx, "intrude", func(ctx context.Context) (bool, error) {
		err := l.outbox.append(ctx, l.stores.Events, fulfillment.Stream(l.id), kurrent.NoStream(), event)
		return answered(err), err
	})
}

// placeInvalid places an invalid order.
func placeInvalid(ctx context.Context, l *orderDriver) error {
	broken := invalidBodies(encode(l.body))
	return l.append(ctx, l.eventID, order.TypePlaced, broken[l.random.IntN(len(broken))])
}

// placeCut places data that is not even JSON: the server shows it to no subscription, and
// an operator places the order again.
func placeCut(ctx context.Context, l *orderDriver) error {
	whole := encode(l.body)
	return l.append(ctx, l.eventIDFor("cut"), order.TypePlaced, whole[:len(whole)/2])
}

// invalidBodies returns invalid variants of an order.
func invalidBodies(whole []byte) [][]byte {
	return [][]byte{
		append(whole[:len(whole)-1:len(whole)-1], ",}"...),
		[]byte(`"order-placed"`),
		bytes.Replace(whole, []byte(`"orderId":`), []byte(`"orderId":"order-other","orderId":`), 1),
		bytes.Replace(whole, []byte(`"orderId":"order-`), []byte(`"orderId":"order-other-`), 1),
		bytes.Replace(whole, []byte(`"quantity":`), []byte(`"quantity":-`), 1),
		bytes.Replace(whole, []byte(`"pricePerUnit":"USD`), []byte(`"pricePerUnit":"USDOLLAR`), 1),
		bytes.ReplaceAll(whole, []byte(`@example.com`), []byte(`.example.com`)),
	}
}

// cancelFirst appends the cancellation before its order.
func cancelFirst(ctx context.Context, l *orderDriver) error {
	return steps(cancelByEvent, place)(ctx, l)
}
