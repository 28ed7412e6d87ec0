package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// taken is the response to a message that the order accepted and whose effect is not
// complete yet.
type taken struct {
	OrderID string `json:"orderId"`
	URL     string `json:"statusUrl"`
}

// postShipment records that a parcel of the order left with a carrier.
func (a *api) postShipment(w http.ResponseWriter, r *http.Request) error {
	id, m, err := readMessage[workflows.RecordShipment](w, r)
	if err != nil {
		return err
	}
	return a.deliver(w, r, id, newOrderMessage(workflows.RecordShipmentMessage, m), func(state order.State) bool {
		return state.HasLeft(m.Parcel())
	})
}

// postCreditApproval approves a held order although its credit does not suffice. The note
// goes nowhere: no store could erase it.
func (a *api) postCreditApproval(w http.ResponseWriter, r *http.Request) error {
	id, m, err := readMessage[workflows.ApproveCredit](w, r)
	if err != nil {
		return err
	}
	m.Note = ""
	return a.deliver(w, r, id, newOrderMessage(workflows.ApproveCreditMessage, m), nil)
}

// postCreditRefusal declines a held order.
func (a *api) postCreditRefusal(w http.ResponseWriter, r *http.Request) error {
	id, m, err := readMessage[workflows.DeclineCredit](w, r)
	if err != nil {
		return err
	}
	m.Note = ""
	return a.deliver(w, r, id, newOrderMessage(workflows.DeclineCreditMessage, m), func(state order.State) bool {
		return state.Status == order.StatusRejected && state.Reason == order.ReasonCreditDeclined
	})
}

// readMessage returns the order's id and the message of a request, whose values follow the
// rules of the workflow's own messages.
func readMessage[M workflows.Message](w http.ResponseWriter, r *http.Request) (id string, m M, err error) {
	if id, err = orderID(r); err != nil {
		return id, m, err
	}
	concernsOrder(r, id)
	if m, err = decode[M](w, r); err != nil {
		return id, m, err
	}
	if err = workflows.Validate(m); err == nil {
		return id, m, nil
	}
	if wrong, ok := errors.AsType[*workflows.FieldError](err); ok {
		return id, m, badField(wrong.Field, wrong.Reason)
	}
	return id, m, badField("message", err.Error())
}

// newOrderMessage returns a message whose update id is that of its content: a repeated
// request joins the earlier one, and another message is another update.
func newOrderMessage(name string, content any) orderMessage {
	encoded, _ := json.Marshal(content) // strings and numbers
	sum := sha256.Sum256(encoded)
	return orderMessage{name: name, updateID: "http-" + name + "-" + hex.EncodeToString(sum[:16]), content: content}
}

// deliver sends a message to the order's workflow. It responds with 200 and the order's
// state if the message had its effect, with 202 if the order accepted it and the effect
// is still to come, and with 409 if the order refuses it. had reports whether a closed
// order is as the message would have left it; nil means never.
func (a *api) deliver(w http.ResponseWriter, r *http.Request, id string, message orderMessage, had func(order.State) bool) error {
	state, err := a.send(r.Context(), id, message)
	switch {
	case err == nil:
		return writeJSON(w, http.StatusOK, state)
	case errors.Is(err, errAccepted):
		url := "/orders/" + id
		w.Header().Set("Location", url)
		return writeJSON(w, http.StatusAccepted, taken{OrderID: id, URL: url})
	case errors.Is(err, errNoWorkflow):
		return a.withoutWorkflow(w, r, id, had)
	case errors.Is(err, context.DeadlineExceeded):
		return problemOf(http.StatusServiceUnavailable, "the order's workflow did not accept the message in time, and still may: repeat the request")
	default:
		return err
	}
}

// earlyPause is how long a message waits for a workflow that does not know its row yet.
const earlyPause = 100 * time.Millisecond

// send sends a message to the order's workflow. The row of a fulfillment is there a moment
// before the workflow knows it: a client that saw it may ship the order.
func (a *api) send(ctx context.Context, id string, message orderMessage) (order.State, error) {
	ctx, cancel := context.WithTimeout(ctx, a.updateWait)
	defer cancel()
	for {
		state, err := a.update(ctx, id, message)
		if !errors.Is(err, errEarly) {
			return state, err
		}
		row, rowErr := a.rows.FindState(ctx, id)
		if rowErr != nil || row.Status != order.StatusFulfilling {
			return state, err
		}
		select {
		case <-ctx.Done():
			return state, err
		case <-time.After(earlyPause):
		}
	}
}

// withoutWorkflow responds to a message for an order without a running workflow: it has
// not started yet, has closed, or was lost.
func (a *api) withoutWorkflow(w http.ResponseWriter, r *http.Request, id string, had func(order.State) bool) error {
	// Check before reading the row: a workflow that ends later has closed its row.
	ended, err := a.ended(r.Context(), id)
	if err != nil {
		return err
	}
	state, err := a.rows.FindState(r.Context(), id)
	switch {
	case err == nil && state.Status.Final():
		if had == nil || !had(state) {
			return conflict(fmt.Sprintf("the order is %s", state.Status))
		}
		if state, err = a.withCreditFromView(r.Context(), state); err != nil {
			return err
		}
		return writeJSON(w, http.StatusOK, state)
	case err != nil && !errors.Is(err, postgres.ErrNotFound):
		return err
	case ended:
		return conflict(endedUnclosed)
	}
	if _, err := a.loadPlaced(r.Context(), id); err != nil {
		return err
	}
	return conflict("the order's workflow has not started yet: repeat the request later")
}
