package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/faultproxy"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

var (
	shipment = map[string]any{"carrier": "DHL", "trackingNumber": "00340434292135100186"}
	decision = map[string]any{"by": "credit-desk.7", "note": "called the customer"}
)

// messagePaths are the paths of an order's messages, without that of the cancellation.
func messagePaths(id string) []string {
	return []string{"/orders/" + id + "/shipments", "/orders/" + id + "/credit-approval", "/orders/" + id + "/credit-refusal"}
}

// hold places an order that exceeds its customer's credit and lets its workflow run until
// it is on hold.
func (c *caller) hold() (id, customerID string) {
	c.t.Helper()
	id, customerID = newID(), holdPrefix+newCustomerID()
	require.Equal(c.t, http.StatusCreated, c.post("/customers", map[string]any{"customerId": customerID, "limit": "USD1.00"}).status)
	require.Equal(c.t, http.StatusCreated, c.post("/orders", body(id, customerID, nil)).status)
	require.NoError(c.t, shared.begin(c.ctx, id))
	c.await(id, order.StatusOnHold)
	return id, customerID
}

func TestPostShipment(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	path := "/orders/" + id + "/shipments"
	for range 2 {
		var state order.State
		c.post(path, shipment).into(http.StatusOK, &state)
		require.Equal(t, order.StatusShipped, state.Status)
		require.Equal(t, order.Shipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}, state.Shipment)
	}
	require.NoError(t, shared.temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	var state order.State
	c.post(path, shipment).into(http.StatusOK, &state)
	require.Equal(t, order.StatusShipped, state.Status, "the same shipment of a closed order")
	require.Equal(t, "the order is shipped", c.post(path, map[string]any{"carrier": "UPS", "trackingNumber": "1"}).problem(http.StatusConflict).Detail)
	require.Equal(t, "the order is shipped", c.post("/orders/"+id+"/credit-approval", decision).problem(http.StatusConflict).Detail)
	require.Len(t, readAll(t, id), 1, "the workflow was asked, and no event was needed")
}

func TestPostShipment_ConcurrentRequestsShareOneUpdate(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	require.Len(t, postAtOnce(t, c, id, "/orders/"+id+"/shipments", shipment), 1)
}

func TestPostShipment_TooEarlyOrTooLate(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.place()
	require.Contains(t, c.post("/orders/"+id+"/shipments", shipment).problem(http.StatusConflict).Detail, "has not started yet")
	held, _ := c.hold()
	require.Equal(t, "the order has no fulfillment yet: nothing to ship",
		c.post("/orders/"+held+"/shipments", shipment).problem(http.StatusConflict).Detail)
	canceled, _ := c.fulfill()
	require.Equal(t, http.StatusOK, c.post("/orders/"+canceled+"/cancel", wish).status)
	require.Equal(t, "the order is cancelled", c.post("/orders/"+canceled+"/shipments", shipment).problem(http.StatusConflict).Detail)
}

func TestPostCreditDecision(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	approved, customerID := c.hold()
	declined, _ := c.hold()
	for range 2 {
		var state order.State
		c.post("/orders/"+approved+"/credit-approval", decision).into(http.StatusOK, &state)
		require.Equal(t, []any{order.StatusFulfilling, order.CreditReserved}, []any{state.Status, state.Credit})
		c.post("/orders/"+declined+"/credit-refusal", decision).into(http.StatusOK, &state)
		require.Equal(t, []any{order.StatusRejected, order.ReasonCreditDeclined}, []any{state.Status, state.Reason})
	}
	require.Equal(t, "the order is not on hold", c.post("/orders/"+approved+"/credit-refusal", decision).problem(http.StatusConflict).Detail)
	other := map[string]any{"by": "another"}
	require.Equal(t, "the order is not on hold", c.post("/orders/"+approved+"/credit-approval", other).problem(http.StatusConflict).Detail)
	require.NoError(t, shared.temporal.GetWorkflow(t.Context(), declined, "").Get(t.Context(), nil))
	require.Equal(t, "the order is rejected", c.post("/orders/"+declined+"/credit-approval", decision).problem(http.StatusConflict).Detail)
	require.Equal(t, http.StatusOK, c.post("/orders/"+declined+"/credit-refusal", decision).status)
	c.awaitCustomer(customerID, func(found customer) bool { return found.Reserved != nil && found.Reserved.Minor > 0 })
	c.saying("/?order="+approved, "approved by credit-desk.7")
	c.saying("/?order="+declined, "declined by credit-desk.7")
}

func TestPostCreditDecision_KeepsNoteOutOfHistory(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for _, path := range []string{"/credit-approval", "/credit-refusal"} {
		id, _ := c.hold()
		require.Equal(t, http.StatusOK, c.post("/orders/"+id+path, map[string]any{"by": "op", "note": "canary note"}).status)
		events := shared.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			require.NotContains(t, event.String(), "canary")
		}
	}
}

// A higher limit lets an order on hold go on once its account has reserved the credit, and
// the page says why.
func TestGetOrder_OnHoldUntilCreditIsFreed(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.hold()
	var state order.State
	c.get("/orders/"+id).into(http.StatusOK, &state)
	require.WithinDuration(t, time.Now().Add(time.Hour), state.HoldUntil, 10*time.Minute)
	require.Contains(t, c.saying("/?order="+id, "On hold: insufficient credit"), "USD1.00 available, until ")

	require.Equal(t, http.StatusOK, c.put("/customers/"+customerID+"/credit-limit", map[string]any{"limit": "USD900.00"}).status)
	var raised kurrent.Event
	require.NoError(t, shared.events.ReadStream(t.Context(), credit.Stream(customerID), 0, 0, func(e kurrent.Event) error {
		raised = e
		return nil
	}))
	review, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "review-" + id, TaskQueue: workflows.TaskQueue},
		workflows.CreditReviewType, workflows.ReviewInput{
			CustomerID: customerID, Source: order.Source{Stream: raised.Stream, Revision: raised.Revision, EventID: raised.ID.String()},
		})
	require.NoError(t, err)
	require.NoError(t, review.Get(t.Context(), nil))
	require.Zero(t, c.await(id, order.StatusFulfilling).HoldUntil)
	c.saying("/?order="+id, "because credit of the customer was freed")
}

func TestPostMessage_Invalid(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id := newID()
	for _, test := range []struct{ path, sent, field string }{
		{"/shipments", `{}`, "carrier"},
		{"/shipments", `{"carrier":"DHL"}`, "trackingNumber"},
		{"/shipments", `{"carrier":" DHL","trackingNumber":"1"}`, "carrier"},
		{"/shipments", `{"carrier":5,"trackingNumber":"1"}`, "carrier"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"canary@example.com"}`, "trackingNumber"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":[]}`, "lines"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":1}`, "lines"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":[{"line":1,"quantity":1},{"line":1,"quantity":1}]}`, "lines[1].line"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":[{"line":1}]}`, "lines[0].quantity"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":[{"line":1,"quantity":"1"}]}`, "lines[0].quantity"},
		{"/shipments", `{"carrier":"DHL","trackingNumber":"1","lines":[{"line":1,"quantity":1.5}]}`, "lines[0].quantity"},
		{"/credit-approval", `{}`, "by"},
		{"/credit-approval", `{"by":"canary@example.com"}`, "by"},
		{"/credit-refusal", `{"by":""}`, "by"},
		{"/credit-refusal", `{"by":"op","note":"canary@example.com"}`, "note"},
		{"/credit-refusal", `{"by":"op","note":"` + strings.Repeat("x", 201) + `"}`, "note"},
	} {
		p := c.post("/orders/"+id+test.path, []byte(test.sent)).problem(http.StatusUnprocessableEntity)
		require.Equal(t, test.field, p.Field, test.sent)
		require.NotContains(t, p.Detail, "canary")
	}
	for _, path := range messagePaths(id) {
		c.post(path, []byte(`{"carrier":"DHL","trackingNumber":"1","by":"op","canary":"1"}`)).problem(http.StatusBadRequest)
	}
	for path, sent := range map[string]any{"/shipments": shipment, "/credit-approval": decision, "/credit-refusal": decision} {
		c.post("/orders/"+id+path, sent).problem(http.StatusNotFound)
	}
}

// eachMessage sends each message to an order of its own that waits for it, with a client of
// an api.
func eachMessage(t *testing.T, a *api, look func(got reply, id string)) {
	t.Helper()
	direct, c := newClient(t, shared.api()), newClient(t, a)
	for path, sent := range map[string]any{"/shipments": shipment, "/credit-approval": decision, "/credit-refusal": decision} {
		var id string
		if path == "/shipments" {
			id, _ = direct.fulfill()
		} else {
			id, _ = direct.hold()
		}
		look(c.post("/orders/"+id+path, sent), id)
		require.Len(t, readAll(t, id), 1)
	}
}

func TestPostMessage_AcceptedByAnOrderThatContinues(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = continuing{shared.temporal}
	eachMessage(t, a, func(got reply, id string) {
		var answer taken
		got.into(http.StatusAccepted, &answer)
		require.Equal(t, taken{OrderID: id, URL: "/orders/" + id}, answer)
		require.Equal(t, answer.URL, got.header.Get("Location"))
	})
}

func TestPostMessage_UnreadableResultIsAccepted(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = lackingKey{a.workflows}
	eachMessage(t, a, func(got reply, _ string) { require.Equal(t, http.StatusAccepted, got.status, got.body) })
}

func TestPostMessage_FailedUpdateIsNoRefusal(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = failing{shared.temporal}
	eachMessage(t, a, func(got reply, _ string) {
		require.Empty(t, got.problem(http.StatusInternalServerError).Detail)
		require.NotContains(t, got.body, "canary")
	})
}

func TestPostMessage_TemporalOutage(t *testing.T) {
	t.Parallel()
	c, proxy := newClientBehindProxy(t)
	fulfilling, _ := c.fulfill()
	held, _ := c.hold()
	proxy.Stall(faultproxy.Upstream)
	for i, path := range messagePaths(held) {
		sent := decision
		if i == 0 {
			path, sent = "/orders/"+fulfilling+"/shipments", shipment
		}
		require.Contains(t, c.post(path, sent).problem(http.StatusServiceUnavailable).Detail, "repeat")
	}
	proxy.Resume()
	c.await(held, order.StatusOnHold)
	until(t, func(now teller) {
		require.Equal(now, http.StatusOK, c.telling(now).post("/orders/"+fulfilling+"/shipments", shipment).status)
	})
}

func TestPostMessage_TerminatedWorkflowNeedsOperator(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), id, "", "a test"))
	require.Contains(t, c.post("/orders/"+id+"/shipments", shipment).problem(http.StatusConflict).Detail, "orderflow reconcile --fix")
}

func TestPostMessage_Audit(t *testing.T) {
	t.Parallel()
	r := newAuditRig(t)
	id := newID()
	for i, path := range messagePaths(id) {
		action := []string{workflows.RecordShipmentMessage, workflows.ApproveCreditMessage, workflows.DeclineCreditMessage}[i]
		sent := []any{shipment, decision, decision}[i]
		require.Equal(t, http.StatusNotFound, r.ask("POST", path, sent, bearer(token)).status)
		require.Equal(t, []map[string]any{{"action": action, "token": "night-shift", "order": id, "status": 404.0}}, r.lines(t))
	}
}
