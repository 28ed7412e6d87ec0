package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/dev/faultproxy"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/payloadcodec"
	"orderflow/workflows"
)

var wish = map[string]any{"reason": "customer-request"}

func TestCancelOrder_Running(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	var state order.State
	c.post("/orders/"+id+"/cancel", wish).into(http.StatusOK, &state)
	require.Equal(t, order.StatusCancelled, state.Status)
	require.Equal(t, "customer-request", state.Code)
	c.post("/orders/"+id+"/cancel", wish).into(http.StatusOK, &state)
	require.Equal(t, order.StatusCancelled, c.await(id, order.StatusCancelled).Status)
	require.Len(t, readAll(t, id), 1, "the workflow was asked, and no event was needed")
}

func TestCancelOrder_Shipped(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	c.ship(id)
	// The row says shipped before the workflow that waits for its email does.
	require.Regexp(t, "^the order is ship(ping|ped)$", c.post("/orders/"+id+"/cancel", wish).problem(http.StatusConflict).Detail)
	require.Len(t, readAll(t, id), 1)
}

func TestCancelOrder_WithoutWorkflowAppendsEvent(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.place()
	for range 2 {
		requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	}
	stored := readAll(t, id)
	require.Len(t, stored, 2, "one wish is enough")
	got, err := order.DecodeCancellation(id, stored[1].ContentType, stored[1].Data)
	require.NoError(t, err)
	require.Equal(t, order.Cancellation{OrderID: id, Reason: "customer-request"}, got)
}

func TestCancelOrder_IgnoresEarlyAndUnreadableRequests(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id := newID()
	_, err := shared.events.Append(t.Context(), id, kurrent.NoStream(), event(order.TypeCancellationRequested, []byte(`{"reason":"early"}`)))
	require.NoError(t, err)
	c.post("/orders/"+id+"/cancel", wish).problem(http.StatusNotFound)
	require.Equal(t, http.StatusCreated, c.post("/orders", body(id, newCustomerID(), nil)).status)
	_, err = shared.events.Append(t.Context(), id, kurrent.At(1), event(order.TypeCancellationRequested, []byte(`{}`)))
	require.NoError(t, err)
	requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	require.Len(t, readAll(t, id), 4)
}

func requireWish(t *testing.T, got reply, id string) {
	t.Helper()
	var answer cancelling
	got.into(http.StatusAccepted, &answer)
	require.Equal(t, cancelling{OrderID: id, Status: "cancelling", URL: "/orders/" + id}, answer)
	require.Equal(t, answer.URL, got.header.Get("Location"))
}

// newClientBehindProxy returns a client of an api that reaches Temporal through a proxy and
// waits for it only briefly.
func newClientBehindProxy(t *testing.T) (*caller, *faultproxy.Proxy) {
	t.Helper()
	proxy, err := faultproxy.Start(shared.temporalAddress)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	dialled, err := client.DialContext(t.Context(), client.Options{HostPort: proxy.Addr(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(dialled.Close)
	a := shared.api()
	a.workflows, a.updateWait = dialled, time.Second
	return newClient(t, a), proxy
}

func TestCancelOrder_TemporalOutageAppendsEvent(t *testing.T) {
	t.Parallel()
	c, proxy := newClientBehindProxy(t)
	id, _ := c.fulfill()
	shipped, _ := c.fulfill()
	c.ship(shipped)
	proxy.Stall(faultproxy.Upstream)
	requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	require.Equal(t, order.TypeCancellationRequested, readAll(t, id)[1].Type)
	require.Contains(t, c.post("/orders/"+shipped+"/cancel", wish).problem(http.StatusConflict).Detail, "shipped")
	require.Len(t, readAll(t, shipped), 1, "nothing is promised that cannot be kept")
	proxy.Resume()
}

// lackingKey are workflows whose results are encrypted with a key that this api lacks.
type lackingKey struct{ orderWorkflows }

func (u lackingKey) UpdateWorkflow(ctx context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	handle, err := u.orderWorkflows.UpdateWorkflow(ctx, o)
	return lackedHandle{handle}, err
}

type lackedHandle struct{ client.WorkflowUpdateHandle }

func (h lackedHandle) Get(ctx context.Context, _ any) error {
	if err := h.WorkflowUpdateHandle.Get(ctx, nil); err != nil {
		return err
	}
	return converter.NewWorkflowTaskFailureError(&payloadcodec.KeyError{ID: "new"})
}

func TestCancelOrder_UnreadableResultIsReadFromTheRow(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = lackingKey{a.workflows}
	c := newClient(t, a)
	id, _ := c.fulfill()
	got := c.post("/orders/"+id+"/cancel", wish)
	require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, got.status, got.body)
	require.Equal(t, order.StatusCancelled, c.await(id, order.StatusCancelled).Status)
	require.Len(t, readAll(t, id), 1, "the workflow was asked, and no event was needed")
}

func TestCancelOrder_AcceptedUntilCreditIsReleased(t *testing.T) {
	t.Parallel()
	c, proxy := newClientBehindProxy(t)
	id, customerID := c.fulfill()
	proxy.Stall(faultproxy.Upstream) // the workflow is at its compensation, and cannot say so
	_, err := shared.fulfillments().CloseFulfillment(t.Context(), fulfillment.Close{
		OrderID: id, CustomerID: customerID, Total: usd(t, "USD242.00"), Status: order.StatusCancelled,
		Reason: order.ReasonCancelled, Code: "customer-request", Began: true,
	})
	require.NoError(t, err)
	requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	var state order.State
	c.get("/orders/"+id).into(http.StatusOK, &state)
	require.Equal(t, []any{order.StatusCancelled, order.CreditReserved}, []any{state.Status, state.Credit})

	release(t, id, customerID)
	until(t, func(now teller) {
		c.telling(now).get("/orders/"+id).into(http.StatusOK, &state)
		require.Equal(now, order.CreditReleased, state.Credit)
	})
	c.post("/orders/"+id+"/cancel", wish).into(http.StatusOK, &state)
	require.Equal(t, order.CreditReleased, state.Credit)
	proxy.Resume()
}

func TestCancelOrder_ConcurrentRequestsShareOneUpdate(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	require.Equal(t, map[string]bool{cancelUpdateID: true}, postAtOnce(t, c, id, "/orders/"+id+"/cancel", wish))
}

// postAtOnce posts the same message about an order several times at once, and returns the ids
// of the updates that its workflow accepted.
func postAtOnce(t *testing.T, c *caller, id, path string, message any) map[string]bool {
	t.Helper()
	var requests sync.WaitGroup
	for range 4 {
		requests.Go(func() {
			assert.Equal(t, http.StatusOK, c.status(c.request(http.MethodPost, path, message)))
		})
	}
	requests.Wait()
	updates := map[string]bool{}
	events := shared.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if accepted := event.GetWorkflowExecutionUpdateAcceptedEventAttributes(); accepted != nil {
			updates[accepted.GetAcceptedRequest().GetMeta().GetUpdateId()] = true
		}
	}
	return updates
}

func TestCancelOrder_TerminatedWorkflowNeedsOperator(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.fulfill()
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), id, "", "a test"))
	require.Contains(t, c.post("/orders/"+id+"/cancel", wish).problem(http.StatusConflict).Detail, "orderflow reconcile --fix")
	require.Len(t, readAll(t, id), 1)
}

func TestCancelOrder_ForeignWorkflow(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.place()
	w := worker.New(shared.temporal, id, worker.Options{})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		err := workflow.SetQueryHandler(ctx, workflows.StatusQuery, func() (order.State, error) {
			return order.State{OrderID: id, Status: order.StatusShipped}, nil
		})
		if err != nil {
			return err
		}
		err = workflow.SetUpdateHandler(ctx, workflows.CancelOrderMessage, func(workflow.Context, workflows.CancelOrder) (order.State, error) {
			return order.State{OrderID: id, Status: order.StatusCancelled}, nil
		})
		if err != nil {
			return err
		}
		workflow.GetSignalChannel(ctx, "end").Receive(ctx, nil)
		return nil
	}, workflow.RegisterOptions{Name: "SomethingElse"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	_, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: id}, "SomethingElse")
	require.NoError(t, err)

	require.Equal(t, order.StatusPending, c.await(id, order.StatusPending).Status, "it does not speak for the order")
	require.Contains(t, c.post("/orders/"+id+"/cancel", wish).problem(http.StatusConflict).Detail, "a workflow of another type")
	require.Len(t, readAll(t, id), 1)
	history := shared.temporal.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for history.HasNext() {
		event, err := history.Next()
		require.NoError(t, err)
		require.NotEqual(t, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, event.GetEventType())
	}
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), id, "", "test"))
	require.Contains(t, c.post("/orders/"+id+"/cancel", wish).problem(http.StatusConflict).Detail, "a workflow of another type")
}

func TestCancelOrder_FailingWorkflowTaskAppendsEvent(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, _ := c.place()
	w := worker.New(shared.temporal, id, worker.Options{})
	w.RegisterWorkflowWithOptions(func(workflow.Context) error { panic("a bug of a deployment") },
		workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	_, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: id}, workflows.OrderFulfillmentType)
	require.NoError(t, err)
	until(t, func(now teller) {
		run, err := shared.temporal.DescribeWorkflow(t.Context(), id, "")
		require.NoError(now, err)
		require.GreaterOrEqual(now, run.RawResponse.GetPendingWorkflowTask().GetAttempt(), int32(3), "from here on the server refuses updates")
	})
	requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	require.Equal(t, order.TypeCancellationRequested, readAll(t, id)[1].Type)
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), id, "", "test"))
}

// failing fails every update as a worker can, and not as an order does.
type failing struct{ orderWorkflows }

func (failing) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, temporal.NewApplicationError("unknown update canary", "errorString")
}

// continuing answers every update as an order does that continues as new.
type continuing struct{ orderWorkflows }

func (continuing) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	return nil, temporal.NewNonRetryableApplicationError("the order continues as new", workflows.Continued, nil)
}

func TestCancelOrder_ContinuingAsNewIsAccepted(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = continuing{shared.temporal}
	c := newClient(t, a)
	id, _ := c.fulfill()
	requireWish(t, c.post("/orders/"+id+"/cancel", wish), id)
	require.Equal(t, order.TypeCancellationRequested, readAll(t, id)[1].Type, "the wish outlasts the run")
}

func TestCancelOrder_FailedUpdateIsNoRefusal(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.workflows = failing{shared.temporal}
	var log bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&log, nil))
	c := newClient(t, a)
	id, _ := c.fulfill()
	got := c.post("/orders/"+id+"/cancel", wish)
	require.Empty(t, got.problem(http.StatusInternalServerError).Detail)
	require.NotContains(t, got.body, "canary")
	require.Contains(t, log.String(), "canary", "the operator is told")
}

func TestCancelOrder_RequiresReason(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	path := "/orders/" + newID() + "/cancel"
	for _, sent := range []string{`{}`, `{"reason":""}`, `{"reason":"has blanks"}`, `{"reason":5}`, `{"reason":"canary@example.com"}`} {
		p := c.post(path, []byte(sent)).problem(http.StatusUnprocessableEntity)
		require.Equal(t, "reason", p.Field)
		require.NotContains(t, p.Detail, "canary")
	}
	c.post(path, []byte(`{"reason":"x","Reason":"y"}`)).problem(http.StatusBadRequest)
	c.post(path, wish).problem(http.StatusNotFound)
}
