package main

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
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// look asks the three stores about an order, in this order: the workflow, the row, the credit. A workflow has written its
// row and settled its credit before it closes. So what is read after it was seen closed is what it left behind, and an order
// that closes at this very moment passes for no difference.
func (r *reconciliation) look(ctx context.Context, in workflows.Input) (facts, error) {
	run, err := r.describe(ctx, in.OrderID)
	if err != nil {
		return facts{}, err
	}
	f := facts{Workflow: run.state, Detail: run.detail, Failures: run.failures, Fulfilling: run.fulfilling}
	row, err := r.row(ctx, in.OrderID)
	if err != nil {
		return facts{}, err
	}
	f.Row = row.Status
	if run.state == workflowOpen {
		return r.lookAtOpen(ctx, f, row)
	}
	f.Result, err = r.result(ctx, in.OrderID, run)
	if _, undecodable := errors.AsType[*resultError](err); undecodable {
		f.Unreadable = "its workflow's result cannot be read"
	} else if err != nil {
		return facts{}, err
	}
	if run.state == workflowNone && !row.Status.Final() {
		f.Published, err = r.published(ctx, in.OrderID)
		if errors.Is(err, kurrent.ErrVersions) {
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
	if f.Result.Status == "" && repairing.state.ended() {
		if repaired, err := r.result(ctx, workflows.RepairID(in.OrderID), repairing); err == nil && repaired.Status == row.Status {
			f.Result = repaired
		}
	}
	if repairing.state == workflowOpen {
		f.Detail = strings.TrimPrefix(f.Detail+", its repair is under way", ", ")
	}
	f.LostMail, err = r.lost(ctx, row, repairing.state == workflowOpen)
	return f, err
}

// lookAtOpen asks what can be wrong although an order's workflow is open.
func (r *reconciliation) lookAtOpen(ctx context.Context, f facts, row fulfillment.Row) (facts, error) {
	var err error
	if f.Fulfilling && row.Status == order.StatusFulfilling && row.MailDue != "" && f.Failures == 0 {
		f.LostMail, f.Silent, err = r.sentAlready(ctx, row)
		return f, err
	}
	f.InVain, err = r.waitsInVain(ctx, row)
	return f, err
}

// sentAlready reports whether an open workflow, or one that it left the email to, says that the email was sent for which its
// order's row waits. A workflow that does not answer is silent, and where no worker is there to answer, no further one is
// asked.
func (r *reconciliation) sentAlready(ctx context.Context, row fulfillment.Row) (sent, silent bool, err error) {
	if r.unanswered.Load() {
		return false, true, nil
	}
	state, err := r.ask(ctx, row.OrderID)
	if err != nil {
		_, refused := errors.AsType[*serviceerror.QueryFailed](err)
		r.unanswered.Store(!refused)
		return false, true, ctx.Err()
	}
	if err := r.addEmailResults(ctx, &state); err != nil {
		return false, true, err
	}
	return state.Emails[string(row.MailDue)] == string(email.StatusSent), false, nil
}

// ask gives an open workflow's answer to the status query.
func (r *reconciliation) ask(ctx context.Context, orderID string) (order.State, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var state order.State
	value, err := r.temporal.QueryWorkflow(ctx, orderID, "", workflows.StatusQuery)
	if err == nil {
		err = value.Get(&state)
	}
	return state, err
}

// waitsInVain reports whether an order's workflow waits for its shipment although its row is final. It is asked after the
// row was read: a workflow that has written the row itself is at work from then on until it says so or closes.
func (r *reconciliation) waitsInVain(ctx context.Context, row fulfillment.Row) (bool, error) {
	if !row.Status.Final() {
		return false, nil
	}
	run, err := r.describe(ctx, row.OrderID)
	return run.state == workflowOpen && run.waits, err
}

// lost reports whether a mail that is due for a row waits for nobody.
func (r *reconciliation) lost(ctx context.Context, row fulfillment.Row, repairing bool) (bool, error) {
	if repairing || !row.Status.Final() {
		return false, nil
	}
	for _, kind := range due(row) {
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

// row reads the order's fulfilment, the zero row when there is none.
func (r *reconciliation) row(ctx context.Context, orderID string) (fulfillment.Row, error) {
	rows, err := r.rows.Fulfillments(ctx, []string{orderID})
	if err != nil || len(rows) == 0 {
		return fulfillment.Row{}, err
	}
	return rows[0], nil
}

// credit reads what stands for the order on its customer's account.
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

// published reads the last status that was published about the order, empty when nothing was.
func (r *reconciliation) published(ctx context.Context, orderID string) (order.Status, error) {
	versions, err := r.events.PublishedVersions(ctx, orderID)
	if err != nil || len(versions) == 0 {
		return "", err
	}
	return versions[len(versions)-1].Status, nil
}

// resultError says that a workflow's result was given and cannot be decoded.
type resultError struct{ error }

// result reads what an order's workflow ended with: its result, or the state that its failure or cancellation carries. It
// is the zero state for one that says nothing, or that did not end by itself.
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

// decodeResult decodes what a workflow ended with: its result, or what its failure or cancellation carries. It leaves into
// alone where that is nothing, and returns a *resultError if it cannot be decoded.
func (r *reconciliation) decodeResult(ctx context.Context, workflowID string, run workflowRun, into any) error {
	err := r.patiently(ctx, func(ctx context.Context) error {
		return r.temporal.GetWorkflow(ctx, workflowID, run.id).Get(ctx, into)
	})
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case errors.As(err, &failed):
		err = details(failed, into)
	case errors.As(err, &canceled):
		err = details(canceled, into)
	case isNotFound(err): // it was forgotten a moment ago
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

// details decodes what an ending carries, if it carries anything.
func details(ending interface {
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
	id         string
	state      workflowState
	status     order.Status // where it says that its order rests
	failures   int32        // of its current workflow task
	fulfilling bool         // it says that its order is fulfilling
	waits      bool         // it says that, and nothing of it is under way
	detail     string       // what is strange about it
}

// describe asks for a workflow itself. The list of workflows comes late, and would tell of an order that was started a
// moment ago as missing.
func (r *reconciliation) describe(ctx context.Context, workflowID string) (workflowRun, error) {
	var found *client.WorkflowExecutionDescription
	err := r.patiently(ctx, func(ctx context.Context) (err error) {
		found, err = r.temporal.DescribeWorkflow(ctx, workflowID, "")
		return err
	})
	switch {
	case isNotFound(err):
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
		len(description.GetPendingChildren()) > 0 // it waits for a mail to be handed over before it goes on
	run := workflowRun{
		id: info.GetExecution().GetRunId(), state: stateOf(info.GetStatus()), status: status,
		failures: max(task.GetAttempt()-1, 0),
	}
	run.fulfilling = run.state == workflowOpen && status == order.StatusFulfilling
	run.waits = run.fulfilling && !atWork
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

// inputOf makes of a row what its order's workflow was started with, as far as a repair needs it: for an order whose body
// is gone.
func inputOf(row fulfillment.Row) workflows.Input {
	return workflows.Input{
		OrderID: row.OrderID, CustomerID: row.CustomerID, Total: row.Total, PlacedAt: row.PlacedAt,
		Source: order.Source{Stream: row.OrderID, EventID: row.SourceEventID},
	}
}

// due lists the mails that somebody has to be at, the newest last.
func due(row fulfillment.Row) []email.Kind {
	if row.MailDue == "" {
		return row.AlsoDue
	}
	return append(slices.Clone(row.AlsoDue), row.MailDue)
}
