package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// ledger is what the api was asked about an order and has answered. What it says obliges.
type ledger struct {
	sent     map[string]int // requests that were made, answered or not
	accepted bool           // to place it was answered with 201 or 200
	placed   bool           // with 201
	opened   bool           // its customer's account was, with 201 or 200
	fresh    bool           // with 201
	raised   bool           // the account's limit was
	promised bool           // to cancel it was answered with 202
	refused  bool           // with 409
}

// record notes something in the ledger.
func (l *life) record(note func(of *ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ledger.sent == nil {
		l.ledger.sent = map[string]int{}
	}
	note(&l.ledger)
}

// said is the ledger so far, and whether the order's stream is deleted.
func (l *life) said() (of ledger, erased bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of = l.ledger
	of.sent = maps.Clone(of.sent)
	return of, l.erased
}

// accept notes that an order was accepted. One request has placed it, and none found it placed that was the first.
func (of *ledger) accept(orderID string, r reply) (wrong string) {
	var said struct{ OrderID, Status string }
	_ = json.Unmarshal(r.body, &said) // it is an object: what is not there is empty
	created := r.status == http.StatusCreated
	switch {
	case said.OrderID != orderID || said.Status == "":
		wrong = fmt.Sprintf("%d says %q of %q", r.status, said.Status, said.OrderID)
	case created && of.placed:
		wrong = "201 for an order that was answered 201 before"
	case !created && of.sent["POST /orders"] < 2:
		wrong = "200 for an order that nobody had placed"
	}
	of.accepted, of.placed = true, of.placed || created
	return wrong
}

// open notes that an account is open. One request has opened it.
func (of *ledger) open(r reply) (wrong string) {
	created := r.status == http.StatusCreated
	switch {
	case created && of.fresh:
		wrong = "201 for an account that was answered 201 before"
	case !created && of.sent["POST /customers"] < 2:
		wrong = "200 for an account that nobody had opened"
	}
	of.opened, of.fresh = true, of.fresh || created
	return wrong
}

// kept lists what the api said about the order that is not so, now that it has come to rest.
func (of *ledger) kept(status order.Status) []string {
	var broken []string
	if of.promised && !status.Final() {
		broken = append(broken, fmt.Sprintf("its cancellation was answered 202, and the order is %s", status))
	}
	if of.refused && status != order.StatusShipped && status != order.StatusRejected {
		broken = append(broken, fmt.Sprintf("its cancellation was answered 409, and the order is %s", status))
	}
	return broken
}

// verifyTimeout bounds reading the streams that the api has written.
const verifyTimeout = 2 * time.Minute

// verify holds the streams against what the api answered: what it accepted is there, once.
func (w *Load) verify(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), verifyTimeout)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(lookAtOnce)
	for _, l := range w.all() {
		group.Go(func() error { return errors.Join(l.verifyOrder(ctx), l.verifyAccount(ctx)) })
	}
	return group.Wait()
}

// verifyOrder looks for the order on its stream. One that was deleted there cannot be found any more.
func (l *life) verifyOrder(ctx context.Context) error {
	of, erased := l.said()
	if of.sent["POST /orders"] == 0 || erased {
		return nil
	}
	same, want := 0, 0
	err := l.read(ctx, l.id, func(e kurrent.Event) error {
		if e.Type == order.TypePlaced && sameJSON(e.Data, encode(l.body)) {
			same++
		}
		return nil
	})
	if of.accepted {
		want = 1
	}
	if err == nil && same != want {
		l.blame("api.accepted-once", fmt.Sprintf("the order stands %d times in its stream, not %d", same, want))
	}
	return err
}

// verifyAccount looks for the opening and the change of the limit on the account's stream.
func (l *life) verifyAccount(ctx context.Context) error {
	of, _ := l.said()
	if !of.opened {
		return nil
	}
	found := map[string]int{}
	err := l.read(ctx, "credit-"+l.customer(), func(e kurrent.Event) error {
		var said struct{ Limit string }
		if err := json.Unmarshal(e.Data, &said); err != nil {
			return err
		}
		found[e.Type+" "+said.Limit]++
		return nil
	})
	want := map[string]int{credit.Opened{}.EventType() + " " + scantLimit: 1}
	if of.raised {
		want[credit.LimitChanged{}.EventType()+" "+ampleLimit] = 1
	}
	for event, n := range want {
		if err == nil && found[event] != n {
			l.blame("api.accepted-once", fmt.Sprintf("%s stands %d times in the account's stream", event, found[event]))
		}
	}
	return err
}

// read visits the events of a stream. One that does not exist has none.
func (l *life) read(ctx context.Context, stream string, visit func(kurrent.Event) error) error {
	err := l.stores.Events.ReadStream(ctx, stream, 0, 0, visit)
	if errors.Is(err, kurrent.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at what the api wrote: %w", err)
	}
	return nil
}

// sameJSON compares what two texts mean.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
