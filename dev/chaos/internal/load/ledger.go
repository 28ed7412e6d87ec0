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

// ledger is what the api was asked about an order and what it confirmed. What it
// confirmed must remain true.
type ledger struct {
	sent     map[string]int // requests that were made, with or without a response
	accepted bool           // placing it returned 201 or 200
	placed   bool           // placing it returned 201
	opened   bool           // opening its customer's account returned 201 or 200
	fresh    bool           // opening the account returned 201
	raised   bool           // raising the account's limit succeeded
	promised bool           // canceling it returned 202
	refused  bool           // canceling it returned 409
}

// record updates the ledger.
func (l *orderDriver) record(note func(of *ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ledger.sent == nil {
		l.ledger.sent = map[string]int{}
	}
	note(&l.ledger)
}

// snapshot returns the ledger so far, and whether the order's stream is deleted.
func (l *orderDriver) snapshot() (of ledger, erased bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of = l.ledger
	of.sent = maps.Clone(of.sent)
	return of, l.erased
}

// accept records that an order was accepted. Exactly one request places it, and the first
// one cannot find it already placed.
func (of *ledger) accept(orderID string, r reply) (wrong string) {
	var said struct{ OrderID, Status string }
	_ = json.Unmarshal(r.body, &said) // it is an object: missing fields stay empty
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

// open records that an account is open. Exactly one request opens it.
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

// untrue returns what the api confirmed about the order that is not true, now that it has
// settled.
func (of *ledger) untrue(status order.Status) []string {
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

// verify checks the streams against the api's responses: what it accepted must exist
// exactly once.
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

// verifyOrder looks for the order on its stream. An order whose stream was deleted cannot
// be found there any more.
func (l *orderDriver) verifyOrder(ctx context.Context) error {
	of, erased := l.snapshot()
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
		l.addViolation("api.accepted-once", fmt.Sprintf("the order stands %d times in its stream, not %d", same, want))
	}
	return err
}

// verifyAccount looks for the opening and the change of the limit on the account's
// stream.
func (l *orderDriver) verifyAccount(ctx context.Context) error {
	of, _ := l.snapshot()
	if !of.opened {
		return nil
	}
	found := map[string]int{}
	err := l.read(ctx, credit.Stream(l.customer()), func(e kurrent.Event) error {
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
			l.addViolation("api.accepted-once", fmt.Sprintf("%s stands %d times in the account's stream", event, found[event]))
		}
	}
	return err
}

// read visits the events of a stream. A stream that does not exist has none.
func (l *orderDriver) read(ctx context.Context, stream string, visit func(kurrent.Event) error) error {
	err := l.stores.Events.ReadStream(ctx, stream, 0, 0, visit)
	if errors.Is(err, kurrent.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at what the api wrote: %w", err)
	}
	return nil
}

// sameJSON compares two JSON texts by value.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
