package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// gatherFacts reads the three stores about an order, in this sequence: the workflow, the
// row, the credit. A workflow writes its row and settles its credit before it closes. So
// what is read after it was seen closed is final, and an order that closes at this moment
// is not mistaken for a difference.
func (r *reconciliation) gatherFacts(ctx context.Context, in workflows.Input) (facts, error) {
	run, err := r.describe(ctx, in.OrderID)
	if err != nil {
		return facts{}, err
	}
	f := facts{Workflow: run.state, Detail: run.detail, Failures: run.failures}
	row, err := r.row(ctx, in.OrderID)
	if err != nil {
		return facts{}, err
	}
	f.Row = row.Status
	if f.Unreserved, err = r.unreserved(ctx, in, row.Status); err != nil {
		return facts{}, err
	}
	if run.state == workflowOpen {
		f.Status = run.status
		return r.gatherOpenFacts(ctx, f, row)
	}
	f.Result, err = r.result(ctx, in.OrderID, run)
	if _, undecodable := errors.AsType[*resultError](err); undecodable {
		f.Unreadable = "its workflow's result cannot be read"
	} else if err != nil {
		return facts{}, err
	}
	if run.state == workflowNone && !row.Status.Final() {
		f.Published, err = r.published(ctx, in.OrderID)
		if errors.Is(err, streams.ErrVersions) {
			f.Unreadable = err.Error()
		} else if err != nil {
			return facts{}, err
		}
	}
	if f.Credit, err = r.credit(ctx, in.CustomerID, in.OrderID); err != nil {
		return facts{}, err
	}
	repairing, err := r.describe(ctx, workflows.RepairID(in.OrderID))
	if err != nil {
		return facts{}, err
	}
	if f.Result.Status == "" {
		repaired, err := r.result(ctx, workflows.RepairID(in.OrderID), repairing)
		if _, undecodable := errors.AsType[*resultError](err); err != nil && !undecodable {
			return facts{}, err
		}
		if repaired.Status == row.Status {
			f.Result = repaired
		}
	}
	if repairing.state == workflowOpen {
		f.Detail = strings.TrimPrefix(f.Detail+", its repair is under way", ", ")
	}
	f.LostEmail, err = r.emailLost(ctx, row, repairing.state == workflowOpen)
	return f, err
}

// gatherOpenFacts gathers what can be wrong although an order's workflow is open.
func (r *reconciliation) gatherOpenFacts(ctx context.Context, f facts, row fulfillment.Row) (facts, error) {
	var err error
	if f.Status == order.StatusFulfilling && row.Status == order.StatusFulfilling && row.EmailDue != "" && f.Failures == 0 {
		f.LostEmail, f.Unanswered, err = r.workflowSaysSent(ctx, row)
		return f, err
	}
	f.WaitsOnFinalRow, err = r.waitsOnFinalRow(ctx, row)
	return f, err
}

// workflowSaysSent reports whether an open workflow, or one to which it left the email,
// says that the email due by its order's row was sent. It also reports whether the
// workflow did not answer. Once a query has failed for lack of a worker, no further
// workflow is asked.
func (r *reconciliation) workflowSaysSent(ctx context.Context, row fulfillment.Row) (sent, unanswered bool, err error) {
	if r.queriesUnanswered.Load() {
		return false, true, nil
	}
	state, err := r.queryState(ctx, row.OrderID)
	if err != nil {
		if isUnanswered(err) {
			r.queriesUnanswered.Store(true)
		}
		return false, true, ctx.Err()
	}
	if err := r.addEmailResults(ctx, &state); err != nil {
		return false, true, err
	}
	return state.Emails[string(row.EmailDue)] == string(email.StatusSent), false, nil
}

// queryState returns an open workflow's result of the status query.
func (r *reconciliation) queryState(ctx context.Context, orderID string) (order.State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var state order.State
	value, err := r.temporal.QueryWorkflow(ctx, orderID, "", workflows.StatusQuery)
	if err == nil {
		err = value.Get(&state)
	}
	return state, err
}

// waitsOnFinalRow reports whether an order's workflow waits for its shipment although its
// row is final. Call it after reading the row: a workflow that has written the row itself
// remains busy until it publishes its status or closes.
func (r *reconciliation) waitsOnFinalRow(ctx context.Context, row fulfillment.Row) (bool, error) {
	if !row.Status.Final() {
		return false, nil
	}
	run, err := r.describe(ctx, row.OrderID)
	return run.state == workflowOpen && run.idle, err
}

// emailLost reports whether an email that is due for a row has no workflow to send it.
func (r *reconciliation) emailLost(ctx context.Context, row fulfillment.Row, repairing bool) (bool, error) {
	if repairing || !row.Status.Final() {
		return false, nil
	}
	for _, kind := range dueEmails(row) {
		followed := false
		err := r.visitEmails(ctx, row.OrderID, kind, func(_ string, run workflowRun) (enough bool, err error) {
			followed = run.state == workflowOpen
			return followed, nil
		})
		if err != nil || !followed {
			return err == nil, err
		}
	}
	return false, nil
}

// row returns the order's fulfillment, or the zero row if there is none.
func (r *reconciliation) row(ctx context.Context, orderID string) (fulfillment.Row, error) {
	rows, err := r.rows.FindFulfillments(ctx, []string{orderID})
	if err != nil || len(rows) == 0 {
		return fulfillment.Row{}, err
	}
	return rows[0], nil
}

// credit returns the state of the order's credit on its customer's account.
func (r *reconciliation) credit(ctx context.Context, customerID, orderID string) (creditState, error) {
	decision, decided, err := r.accounts.Decision(ctx, customerID, orderID)
	switch {
	case errors.Is(err, credit.ErrHistory), errors.Is(err, credit.ErrUnknownEvent):
		return creditUnknown, nil
	case err != nil:
		return "", fmt.Errorf("read credit of %s: %w", orderID, err)
	case !decided:
		return creditNone, nil
	}
	return creditState(decision.Verdict), nil
}

// unreserved reports whether the account of an order's customer has lost what it decided
// about the order. It returns false unless that is to be looked for. A row is written
// after the decision, so call it after reading the row.
func (r *reconciliation) unreserved(ctx context.Context, in workflows.Input, row order.Status) (bool, error) {
	if !r.compareCredit || row == "" {
		return false, nil
	}
	credit, err := r.credit(ctx, in.CustomerID, in.OrderID)
	accepted := row == order.StatusFulfilling || row == order.StatusShipped
	return credit == creditNone || accepted && credit == creditHeld, err
}

// published returns the last status published about the order, or an empty one if there
// is none.
func (r *reconciliation) published(ctx context.Context, orderID string) (order.Status, error) {
	versions, err := streams.Fulfillments{Client: r.events}.PublishedVersions(ctx, orderID)
	if err != nil || len(versions) == 0 {
		return "", err
	}
	return versions[len(versions)-1].Status, nil
}

// resultError means that a workflow's result exists and cannot be decoded.
type resultError struct{ error }

// result returns the result of an order's workflow, or the state that its failure or
// cancellation carries. It returns the zero state if there is neither, or if the workflow
// was terminated or timed out.
func (r *reconciliation) result(ctx context.Context, orderID string, run workflowRun) (order.State, error) {
	if !run.state.ended() {
		return order.State{}, nil
	}
	var state order.State
	if err := r.decodeResult(ctx, orderID, run, &state); err != nil || !state.Status.Final() {
		return order.State{}, err
	}
	return state, nil
}

// decodeResult decodes the result of a workflow, or the details that its failure or
// cancellation carries. It leaves into unchanged if there are none. It returns a
// *resultError if they cannot be decoded.
func (r *reconciliation) decodeResult(ctx context.Context, workflowID string, run workflowRun, into any) error {
	err := r.retryCall(ctx, callTimeout, func(ctx context.Context) error {
		return r.temporal.GetWorkflow(ctx, workflowID, run.id).Get(ctx, into)
	})
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &failed):
		err = decodeDetails(failed, into)
	case errors.As(err, &canceled):
		err = decodeDetails(canceled, into)
	case temporalclient.IsNotFound(err): // its retention has just ended
		return nil
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("read the result of workflow %s: %w", workflowID, err)
	if _, refused := errors.AsType[serviceerror.ServiceError](err); !refused && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = &resultError{err}
	}
	return err
}

// decodeDetails decodes the details of a failure or cancellation, if it has any.
func decodeDetails(ending interface {
	HasDetails() bool
	Details(d ...any) error
}, into any) error {
	if !ending.HasDetails() {
		return nil
	}
	return ending.Details(into)
}

// workflowRun is the newest run of a workflow.
type workflowRun struct {
	id       string
	state    workflowState
	status   order.Status // the order's status by its search attribute
	failures int32        // of its current workflow task
	idle     bool         // it is open and fulfilling, and has no pending task, activity or child
	detail   string       // anything unusual about it
}

// describe describes one workflow. The list of workflows is eventually consistent and
// would report an order that was just started as missing.
func (r *reconciliation) describe(ctx context.Context, workflowID string) (workflowRun, error) {
	var found *client.WorkflowExecutionDescription
	err := r.retryCall(ctx, callTimeout, func(ctx context.Context) (err error) {
		found, err = r.temporal.DescribeWorkflow(ctx, workflowID, "")
		return err
	})
	switch {
	case temporalclient.IsNotFound(err):
		return workflowRun{state: workflowNone}, nil
	case err != nil:
		return workflowRun{}, fmt.Errorf("describe workflow %s: %w", workflowID, err)
	}
	description := found.RawResponse
	info := description.GetWorkflowExecutionInfo()
	if name := info.GetType().GetName(); order.ValidID(workflowID) && name != workflows.OrderFulfillmentType {
		return workflowRun{state: workflowNone, detail: fmt.Sprintf("its id is taken by a workflow of type %.64s", name)}, nil
	}
	var status order.Status
	payload := info.GetSearchAttributes().GetIndexedFields()[workflows.StatusAttribute]
	if payload != nil && converter.GetDefaultDataConverter().FromPayload(payload, &status) != nil {
		status = ""
	}
	task := description.GetPendingWorkflowTask()
	atWork := task != nil || len(description.GetPendingActivities()) > 0 ||
		len(description.GetPendingChildren()) > 0 // it waits until an email is handed over
	run := workflowRun{
		id: info.GetExecution().GetRunId(), state: stateOf(info.GetStatus()), status: status,
		failures: max(task.GetAttempt()-1, 0),
	}
	run.idle = run.state == workflowOpen && status == order.StatusFulfilling && !atWork
	return run, nil
}

func stateOf(status enums.WorkflowExecutionStatus) workflowState {
	switch status {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return workflowCompleted
	case enums.WORKFLOW_EXECUTION_STATUS_FAILED:
		return workflowFailed
	case enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return workflowCanceled
	case enums.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return workflowTerminated
	case enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return workflowTimedOut
	default:
		return workflowOpen // running, paused, or continued as new
	}
}

// inputFromRow returns the input of an order's workflow from its row, as far as a repair
// needs it. It serves orders whose body is deleted.
func inputFromRow(row fulfillment.Row) workflows.Input {
	return workflows.Input{
		OrderID: row.OrderID, CustomerID: row.CustomerID, Total: row.Total, PlacedAt: row.PlacedAt,
		Source: order.Source{Stream: row.OrderID, EventID: row.SourceEventID},
	}
}

// dueEmails returns the kinds of emails that are due, the newest last.
func dueEmails(row fulfillment.Row) []email.Kind {
	if row.EmailDue == "" {
		return row.AlsoDue
	}
	return append(slices.Clone(row.AlsoDue), row.EmailDue)
}
