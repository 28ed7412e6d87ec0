package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// scriptedClient is a client whose server knows the states of some workflows. Reading a
// result, a history or a list, and a query, take the next of its errors. A result or a
// query without an error is a text, which is no state.
type scriptedClient struct {
	client.Client
	states map[string]enums.WorkflowExecutionStatus
	errs   []error
	calls  int
}

func (c *scriptedClient) next() error {
	c.calls++
	if len(c.errs) == 0 {
		return nil
	}
	err := c.errs[0]
	c.errs = c.errs[1:]
	return err
}

func (c *scriptedClient) DescribeWorkflow(_ context.Context, id, _ string) (*client.WorkflowExecutionDescription, error) {
	status, found := c.states[id]
	if !found {
		return nil, serviceerror.NewNotFound("no such workflow")
	}
	return &client.WorkflowExecutionDescription{RawResponse: &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
			Status: status, Type: &common.WorkflowType{Name: workflows.OrderFulfillmentType},
		},
	}}, nil
}

func (c *scriptedClient) GetWorkflow(context.Context, string, string) client.WorkflowRun {
	return scriptedRun{server: c}
}

type scriptedRun struct {
	client.WorkflowRun
	server *scriptedClient
}

func (r scriptedRun) Get(_ context.Context, into any) error {
	if err := r.server.next(); err != nil {
		return err
	}
	return aText().Get(into)
}

func (c *scriptedClient) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return aText(), c.next()
}

func aText() converter.EncodedValue {
	payloads, err := converter.GetDefaultDataConverter().ToPayloads("a text")
	if err != nil {
		panic(err)
	}
	return client.NewValue(payloads)
}

func (c *scriptedClient) ListWorkflow(
	context.Context, *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{}, c.next()
}

func (c *scriptedClient) GetWorkflowHistory(
	context.Context, string, string, bool, enums.HistoryEventFilterType,
) client.HistoryEventIterator {
	return &scriptedHistory{server: c}
}

// scriptedHistory has one event, a request to cancel.
type scriptedHistory struct {
	server *scriptedClient
	read   bool
}

func (h *scriptedHistory) HasNext() bool { return !h.read }

func (h *scriptedHistory) Next() (*history.HistoryEvent, error) {
	h.read = true
	return &history.HistoryEvent{EventType: enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED}, h.server.next()
}

// oneRow is the rows of a database with one order.
type oneRow struct {
	Rows
	row fulfillment.Row
}

func (o oneRow) FindFulfillments(context.Context, []string) ([]fulfillment.Row, error) {
	return []fulfillment.Row{o.row}, nil
}

// undecided are accounts that have decided nothing.
type undecided struct{}

func (undecided) Decision(context.Context, string, string) (credit.Decision, bool, error) {
	return credit.Decision{}, false, nil
}

func TestGatherFacts_RepairResult(t *testing.T) {
	t.Parallel()
	const id = "order-1"
	gather := func(errs ...error) (facts, error) {
		r := &reconciliation{
			temporal: &scriptedClient{
				states: map[string]enums.WorkflowExecutionStatus{
					id:                     enums.WORKFLOW_EXECUTION_STATUS_TERMINATED,
					workflows.RepairID(id): enums.WORKFLOW_EXECUTION_STATUS_COMPLETED,
				},
				errs: errs,
			},
			rows: oneRow{row: fulfillment.Row{
				OrderID: id, Status: order.StatusCancelled, EmailDue: email.KindCancellation,
			}},
			accounts: undecided{}, logger: slog.New(slog.DiscardHandler),
		}
		return r.gatherFacts(t.Context(), workflows.Input{OrderID: id, CustomerID: "c1"})
	}
	t.Run("a failure to read it is no sign that there is none", func(t *testing.T) {
		t.Parallel()
		_, err := gather(serviceerror.NewPermissionDenied("not now", ""))
		require.ErrorContains(t, err, "not now")
	})
	t.Run("one that cannot be decoded says nothing", func(t *testing.T) {
		t.Parallel()
		f, err := gather()
		require.NoError(t, err)
		what, remedy := judge(f)
		require.Equal(t, held, what)
		require.Equal(t, repair, remedy)
	})
}

func TestWorkflowSaysSent_Unanswered(t *testing.T) {
	t.Parallel()
	noWorker := serviceerror.NewFailedPrecondition("no poller seen for task queue recently, worker may be down")
	for name, c := range map[string]struct {
		err  error
		stop bool // asking the workflows of other orders
	}{
		"without a worker":              {noWorker, true},
		"after a timeout":               {context.DeadlineExceeded, true},
		"a query that fails":            {serviceerror.NewQueryFailed("unknown query"), false},
		"a workflow that is gone":       {serviceerror.NewNotFound("no such workflow"), false},
		"a workflow whose task failed":  {serviceerror.NewWorkflowNotReady("in failed state"), false},
		"a state that cannot be read":   {nil, false},
		"a client that fails otherwise": {errors.New("no such codec"), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reconciliation{temporal: &scriptedClient{errs: []error{c.err}}}
			_, unanswered, err := r.workflowSaysSent(t.Context(), fulfillment.Row{})
			require.NoError(t, err)
			require.True(t, unanswered)
			require.Equal(t, c.stop, r.queriesUnanswered.Load())
		})
	}
}

func TestRetryCall_Callers(t *testing.T) {
	t.Parallel()
	for name, call := range map[string]func(context.Context, *reconciliation) error{
		"list": func(ctx context.Context, r *reconciliation) error {
			_, err := r.list(ctx, "", nil)
			return err
		},
		"history": func(ctx context.Context, r *reconciliation) error {
			requested, err := r.cancelRequested(ctx, "order-1", "")
			if err == nil && !requested {
				return errors.New("the cancellation was not found")
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &scriptedClient{errs: []error{serviceerror.NewUnavailable("restarting")}}
				r := &reconciliation{temporal: server, logger: slog.New(slog.DiscardHandler)}
				require.NoError(t, call(t.Context(), r))
				require.Equal(t, 2, server.calls)
			})
		})
	}
}
