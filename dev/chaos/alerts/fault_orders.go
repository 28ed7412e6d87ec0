package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// The default limit, and more than that.
const (
	creditLimit  = "USD=1000000.00"
	overTheLimit = "USD2000000.00"
)

func orderFaults() []fault {
	return []fault{
		{"event-invalid", "an event is no valid order", parked, []string{"OrderflowEventsParked"}, nil},
		{"currency-without-limit", "an order in a currency without a credit limit", stuck, []string{"OrderflowOrdersStuck"}, nil},
		{"order-on-hold", "an order exceeds its credit, and no operator decides", held, []string{"OrderflowOrdersHeld"}, nil},
		{"credit-decided-late", "the credit of several orders is approved long after they were placed", decidedLate, []string{"OrderflowConfirmationsSlow"},
			[]string{"OrderflowOrdersHeld"}},
		{"order-late", "an order waits longer for its shipment than SHIP_BY", late, []string{"OrderflowOrdersLate"}, nil},
		{"order-erased", "the stream of an order is deleted before it is fulfilled", erased, []string{"OrderflowOrdersFailed"},
			[]string{"OrderflowOrdersHeld"}}, // it is on hold for a moment, and a count of that moment is exported for 15 seconds
		{"payload-key-lost", "the key file lacks the key of running workflows", keyLost, []string{"OrderflowWorkflowTasksFailing"},
			[]string{"OrderflowBridgeBlocked", "OrderflowCheckFailing", "OrderflowReplicaNotReady", "OrderflowAPIErrors", "OrderflowDifferences", "OrderflowOrdersHeld"}},
		{"workflow-terminated", "an operator terminates the workflow of an order", terminated, []string{"OrderflowDifferences"}, nil},
	}
}

// parked appends an order that can never start. The repair drops it from the parked events.
func parked(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	_, err := s.stores.Events.Append(ctx, order.Stream(id), kurrent.NoStream(),
		kurrent.NewEvent{ID: uuid.New(), Type: order.TypePlaced, Data: []byte(`{"orderId":"` + id + `"}`)})
	return s.dropParked, err
}

// dropParked drops all events that are parked, as an operator does.
func (s *session) dropParked(ctx context.Context) error {
	out, err := s.rig.Output(ctx, rig.Orderflow, "parked", "list", "-o", "json")
	if err != nil {
		return err
	}
	var page struct {
		Parked []struct {
			Number int `json:"number"`
		} `json:"parked"`
	}
	if err := json.Unmarshal(out, &page); err != nil || len(page.Parked) == 0 {
		return err
	}
	last := page.Parked[len(page.Parked)-1].Number
	return s.rig.Run(ctx, rig.Orderflow, "parked", "drop", "--until", strconv.Itoa(last), "--yes")
}

// stuck places an order whose credit cannot be decided. The repair cancels it.
func stuck(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	return s.cancel(id), s.post(ctx, id, "EUR100.00")
}

// held places an order that exceeds the default limit.
func held(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	return s.cancel(id), s.post(ctx, id, overTheLimit)
}

// decidedLate approves orders after longer than the alert allows, as its rule is divided.
func decidedLate(ctx context.Context, s *session) (func(context.Context) error, error) {
	const orders, late = 5, 15 * time.Second
	var ids []string
	for range orders {
		id := newOrder()
		if err := s.post(ctx, id, overTheLimit); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	select {
	case <-time.After(late):
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	var failures []error
	for _, id := range ids {
		failures = append(failures, s.approve(ctx, id))
	}
	return healed, errors.Join(failures...)
}

// erased empties the stream of an order on hold, and approves the order.
func erased(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	if err := s.post(ctx, id, overTheLimit); err != nil {
		return nil, err
	}
	if err := s.awaitHeld(ctx, id); err != nil {
		return nil, err
	}
	emptied := kurrent.NewEvent{ID: uuid.New(), Type: "$metadata", Data: []byte(`{"$tb":9223372036854775807}`)}
	if _, err := s.stores.Events.Append(ctx, "$$"+order.Stream(id), kurrent.NoStream(), emptied); err != nil {
		return nil, err
	}
	return healed, s.approve(ctx, id)
}

func (s *session) awaitHeld(ctx context.Context, id string) error {
	return until(ctx, healTimeout, func(ctx context.Context) error {
		var state order.State
		found, err := s.stores.Temporal.QueryWorkflow(ctx, id, "", workflows.StatusQuery)
		if err == nil {
			err = found.Get(&state)
		}
		if err == nil && state.Status != order.StatusOnHold {
			err = fmt.Errorf("the order is %s", state.Status)
		}
		return err
	})
}

func (s *session) approve(ctx context.Context, id string) error {
	return s.stores.Temporal.SignalWorkflow(ctx, id, "", workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"})
}

// terminated terminates an order that waits for its shipment. The repair is the operator's.
func terminated(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	if err := s.post(ctx, id, "USD100.00"); err != nil {
		return nil, err
	}
	heal := func(ctx context.Context) error {
		return s.rig.Run(ctx, rig.Orderflow, "reconcile", "--fix", "--grace", "0s")
	}
	if err := s.awaitFulfilling(ctx, id); err != nil {
		return heal, err
	}
	return heal, s.stores.Temporal.TerminateWorkflow(ctx, id, "", "alerts")
}

func (s *session) awaitFulfilling(ctx context.Context, id string) error {
	return until(ctx, healTimeout, func(ctx context.Context) error {
		row, err := s.stores.Rows.FindState(ctx, id)
		if err == nil && row.Status != order.StatusFulfilling {
			err = fmt.Errorf("the order is %q", row.Status)
		}
		return err
	})
}

func newOrder() string { return "order-" + uuid.NewString() }

// post places an order of one item over HTTP.
func (s *session) post(ctx context.Context, id, price string) error {
	body, err := json.Marshal(map[string]any{
		"orderId": id, "customerId": "customer-" + id,
		"lineItems": []map[string]any{{"productId": "p-1", "productName": "Lamp", "quantity": 1, "pricePerUnit": price, "taxRate": 0}},
		"billing":   map[string]any{"recipient": map[string]string{"emailAddress": "ada@example.com"}},
	})
	if err != nil {
		return err
	}
	return until(ctx, healTimeout, func(ctx context.Context) error { return s.send(ctx, "/orders", body) })
}

// cancel returns the repair that cancels an order.
func (s *session) cancel(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := s.stores.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: id, UpdateName: "cancel-order", Args: []any{map[string]string{"reason": "customer-request"}},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		return err
	}
}

func (s *session) send(ctx context.Context, path string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.apis[0]+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		return fmt.Errorf("POST %s: %s", path, response.Status)
	}
	return nil
}

// keyLost replaces the key file by one with another key. The repair keeps that too, because
// payloads have been encrypted with it. Workers decrypt nothing of the workflows that they
// have cached, so they are restarted, and an order that was placed before is approved.
func keyLost(ctx context.Context, s *session) (func(context.Context) error, error) {
	id := newOrder()
	if err := errors.Join(s.post(ctx, id, overTheLimit), s.awaitHeld(ctx, id)); err != nil {
		return nil, err
	}
	before, err := os.ReadFile(s.rig.KeysFile())
	if err != nil {
		return nil, err
	}
	other := []byte("other AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n")
	heal := func(context.Context) error { return os.WriteFile(s.rig.KeysFile(), append(before, other...), 0o600) }
	if err := os.WriteFile(s.rig.KeysFile(), other, 0o600); err != nil {
		return nil, err
	}
	if err := s.restartWorkers(ctx, nil); err != nil {
		return heal, err
	}
	return heal, s.approve(ctx, id)
}
