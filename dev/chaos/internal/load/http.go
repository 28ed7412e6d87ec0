package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"orderflow/internal/order"
)

// post places the order by HTTP, with the same body on every attempt.
func post(ctx context.Context, l *orderDriver) error {
	err := l.post(ctx)
	l.next++
	return err
}

// postTwice sends two concurrent requests for the same order, and a third when they are
// done.
func postTwice(ctx context.Context, l *orderDriver) error {
	once := func(ctx context.Context, l *orderDriver) error { return l.post(ctx) }
	return steps(together(once, once), post)(ctx, l)
}

func (l *orderDriver) post(ctx context.Context) error {
	return l.request(ctx, http.MethodPost, "/orders", encode(l.body), func(r reply) (wrong string) {
		if r.status != http.StatusCreated && r.status != http.StatusOK {
			return fmt.Sprintf("a good order was answered %s", r)
		}
		l.record(func(of *ledger) { wrong = of.accept(l.id, r) })
		return wrong
	})
}

// conflictingPost sends a different order under the id of one that is placed. It must be
// rejected.
func conflictingPost(ctx context.Context, l *orderDriver) error {
	return l.request(ctx, http.MethodPost, "/orders", encode(l.contradicted()), func(r reply) string {
		if r.status != http.StatusConflict {
			return fmt.Sprintf("another order under an id that is taken was answered %s", r)
		}
		return ""
	})
}

// postInvalid sends an invalid order, which must be rejected before anything is written.
func postInvalid(ctx context.Context, l *orderDriver) error {
	broken := invalidBodies(encode(l.body))
	body := broken[l.random.IntN(len(broken))]
	if bytes.Contains(body, []byte(`"orderId":"order-other-`)) {
		body = broken[0] // to the api it is an order with another id
	}
	return l.request(ctx, http.MethodPost, "/orders", body, func(r reply) string {
		if r.status != http.StatusBadRequest && r.status != http.StatusUnprocessableEntity {
			return fmt.Sprintf("what is no order was answered %s", r)
		}
		return ""
	})
}

// look gets the order, which must exist once it was accepted, and its customer, who may
// not be in the view yet.
func look(ctx context.Context, l *orderDriver) error {
	err := l.request(ctx, http.MethodGet, "/orders/"+l.id, nil, func(r reply) string {
		if r.status != http.StatusOK {
			return fmt.Sprintf("an order that is placed was answered %s", r)
		}
		_, wrong := l.readStatus("GET", r)
		return wrong
	})
	if err != nil {
		return err
	}
	return l.request(ctx, http.MethodGet, "/customers/"+url.PathEscape(l.customer()), nil, func(r reply) string {
		if r.status != http.StatusOK && r.status != http.StatusNotFound {
			return fmt.Sprintf("a customer was answered %s", r)
		}
		return ""
	})
}

// readStatus reads an order's status from a response. A final status must still be true
// in the end.
func (l *orderDriver) readStatus(asked string, r reply) (status order.Status, wrong string) {
	var said struct {
		OrderID string       `json:"orderId"`
		Status  order.Status `json:"status"`
	}
	_ = json.Unmarshal(r.body, &said) // it is an object: what is not there is empty
	if said.OrderID != l.id || said.Status == "" {
		return "", fmt.Sprintf("%d says %q of %q", r.status, said.Status, said.OrderID)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answered = append(l.answered, answer{asked, said.Status})
	return said.Status, ""
}

// cancelByHTTP cancels the order, and repeats that once after a response.
func cancelByHTTP(ctx context.Context, l *orderDriver) error {
	path, body := "/orders/"+l.id+"/cancel", encode(map[string]string{"reason": "customer-request"})
	for range 2 {
		if err := l.request(ctx, http.MethodPost, path, body, l.cancelled); err != nil {
			return err
		}
	}
	return nil
}

func (l *orderDriver) cancelled(r reply) (wrong string) {
	switch r.status {
	case http.StatusOK:
		status, wrong := l.readStatus("POST cancel", r)
		if wrong == "" && status != order.StatusCancelled {
			wrong = fmt.Sprintf("200 for an order that is %s", status)
		}
		return wrong
	case http.StatusAccepted:
		l.record(func(of *ledger) { of.promised = true })
	case http.StatusConflict:
		l.record(func(of *ledger) { of.refused = true })
	default:
		return fmt.Sprintf("a cancellation was answered %s", r)
	}
	return ""
}

// The limits of an account opened by HTTP: no order of the workload fits the first, and
// all fit the second.
const (
	scantLimit = "USD5.00"
	ampleLimit = "USD1000000.00"
)

// open opens the customer's account.
func open(ctx context.Context, l *orderDriver) error {
	body := encode(map[string]string{"customerId": l.customer(), "limit": scantLimit})
	return l.request(ctx, http.MethodPost, "/customers", body, func(r reply) (wrong string) {
		if r.status != http.StatusCreated && r.status != http.StatusOK {
			return fmt.Sprintf("an account was opened with %s", r)
		}
		l.record(func(of *ledger) { wrong = of.open(r) })
		return wrong
	})
}

// raise changes the limit of the customer's account.
func raise(ctx context.Context, l *orderDriver) error {
	path := "/customers/" + url.PathEscape(l.customer()) + "/credit-limit"
	return l.request(ctx, http.MethodPut, path, encode(map[string]string{"limit": ampleLimit}), func(r reply) string {
		if r.status != http.StatusOK {
			return fmt.Sprintf("a limit was changed with %s", r)
		}
		l.record(func(of *ledger) { of.raised = true })
		return ""
	})
}
