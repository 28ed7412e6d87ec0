package workflows_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/dev/metertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// orderEnv is the test environment of one order: it defines what each activity returns
// and records the calls, in order. The activities follow the rules of the real stores as
// far as the workflow can observe them.
type orderEnv struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment

	meter *metertest.Meter
	lines *logLines

	mu     sync.Mutex // activities run concurrently
	called []string

	decide    func(activities.ReserveCreditInput) (activities.CreditDecision, error)
	release   func(activities.ReleaseCreditInput) (activities.CreditDecision, error)
	start     func() error
	close     func() error
	send      func(email.Kind) (activities.EmailResult, error)
	row       *activities.Fulfillment // the row in PostgreSQL
	ordered   []int                   // the quantities of the order's lines, which a row of an earlier release lacks
	shipBy    time.Time
	confirmed bool // the confirmation was sent

	holdsCredit bool
	handedOver  []string // ids of the workflows of emails that the order did not wait for
}

const (
	orderID    = "order-0001"
	customerID = "customer-7"
)

var total = order.Money{Minor: 488549, Currency: "USD"}

func input() workflows.Input {
	return workflows.Input{
		OrderID: orderID, CustomerID: customerID, Total: total, PlacedAt: time.Date(2025, 1, 1, 1, 11, 30, 0, time.UTC),
		Source: order.Source{Stream: orderID, Revision: 0, EventID: "8ac54566-28e9-4090-9719-7f41848bd2e2"},
		Rules:  workflows.CurrentRules,
	}
}

func newOrderEnv(t *testing.T) *orderEnv {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	meter := metertest.New()
	lines := &logLines{}
	suite.SetLogger(lines.logger())
	suite.SetMetricsHandler(opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: meter.Meter("test"), OnError: func(err error) { t.Error(err) }, UseMonotonicCounters: true,
	}))
	e := &orderEnv{t: t, env: suite.NewTestWorkflowEnvironment(), meter: meter, lines: lines}
	e.env.SetTestTimeout(20 * time.Second)
	e.env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // a busy machine is no deadlock
	e.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) { return reserved(), nil }
	e.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: total}, nil
	}
	e.start = func() error { return nil }
	e.close = func() error { return nil }
	e.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	workflows.Register(e.env)
	e.env.RegisterActivity(&activities.Activities{})
	e.env.OnActivity("ReserveCredit", mock.Anything, mock.Anything).Return(e.reserveCredit).Maybe()
	e.env.OnActivity("ReleaseCredit", mock.Anything, mock.Anything).Return(e.releaseCredit).Maybe()
	e.env.OnActivity("StartFulfillment", mock.Anything, mock.Anything).Return(e.startFulfillment).Maybe()
	e.env.OnActivity("RecordParcel", mock.Anything, mock.Anything).Return(e.recordParcel).Maybe()
	e.env.OnActivity("CloseFulfillment", mock.Anything, mock.Anything).Return(e.closeFulfillment).Maybe()
	e.env.OnActivity("SendEmail", mock.Anything, mock.Anything).Return(e.sendEmail).Maybe()
	return e
}

// calls returns the calls recorded so far.
func (e *orderEnv) calls() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.called)
}

func (e *orderEnv) logCall(words ...string) { e.called = append(e.called, strings.Join(words, " ")) }

func (e *orderEnv) reserveCredit(_ context.Context, in activities.ReserveCreditInput) (activities.CreditDecision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if in.ApprovedBy != "" {
		e.logCall("reserve, approved by", in.ApprovedBy)
		return reserved(), nil
	}
	e.logCall("reserve")
	decision, err := e.decide(in)
	e.holdsCredit = err == nil && decision.Verdict == credit.VerdictReserved
	return decision, err
}

func (e *orderEnv) releaseCredit(_ context.Context, in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logCall("release", in.Reason)
	return e.release(in)
}

func (e *orderEnv) startFulfillment(context.Context, activities.StartFulfillmentInput) (activities.Fulfillment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logCall("start")
	if err := e.start(); err != nil {
		return activities.Fulfillment{}, err
	}
	if e.row == nil {
		e.row = &activities.Fulfillment{
			Status: order.StatusFulfilling, Email: email.StatusPending, EmailDue: email.KindConfirmation, Quantities: e.ordered,
			ShipBy: e.shipBy,
		}
	}
	return *e.row, nil
}

func (e *orderEnv) recordParcel(_ context.Context, in activities.RecordParcelInput) (activities.Fulfillment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logCall("parcel", in.Parcels[len(in.Parcels)-1].TrackingNumber)
	if err := e.close(); err != nil {
		return activities.Fulfillment{}, err
	}
	if !e.row.Status.Final() && len(e.row.Parcels) == len(in.Parcels)-1 {
		e.row.Parcels, e.row.EmailDue = in.Parcels, email.ParcelKind(len(in.Parcels))
	}
	return *e.row, nil
}

func (e *orderEnv) closeFulfillment(_ context.Context, in activities.CloseFulfillmentInput) (activities.Fulfillment, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logCall("close", string(in.Status), string(in.Reason))
	if err := e.close(); err != nil {
		return activities.Fulfillment{}, err
	}
	if e.row != nil && (e.row.Status.Final() || in.Status == order.StatusCancelled && len(e.row.Parcels) > 0) {
		return *e.row, nil
	}
	if in.Status == order.StatusShipped && len(e.row.Parcels) != max(len(in.Parcels), 1)-1 {
		return *e.row, nil
	}
	if e.row != nil && in.Status == order.StatusRejected {
		return activities.Fulfillment{}, permanentError(activities.TypeFulfillmentFailed)
	}
	row := activities.Fulfillment{
		Status: in.Status, Reason: in.Reason, Code: in.Code, Shipment: in.Shipment, Parcels: in.Parcels,
	}
	switch {
	case in.Status == order.StatusShipped:
		row.EmailDue = email.ParcelKind(len(in.Parcels))
		if !e.confirmed {
			row.AlsoDue = []email.Kind{email.KindConfirmation}
		}
	case in.Status == order.StatusRejected:
		row.EmailDue = email.KindRejection
	case e.confirmed:
		row.EmailDue = email.KindCancellation
	case e.row != nil:
		row.Email = email.StatusSuppressed
	}
	e.row = &row
	return row, nil
}

func (e *orderEnv) sendEmail(_ context.Context, in activities.SendEmailInput) (activities.EmailResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logCall("email", string(in.Kind))
	result, err := e.send(in.Kind)
	e.confirmed = e.confirmed || in.Kind == email.KindConfirmation && err == nil && result.Status == email.StatusSent
	return result, err
}

// orderEmail replaces the workflow that an email is handed over to.
func (e *orderEnv) orderEmail(ctx workflow.Context, _ workflows.EmailInput) (*activities.EmailResult, error) {
	e.handedOver = append(e.handedOver, workflow.GetInfo(ctx).WorkflowExecution.ID)
	return &activities.EmailResult{Status: email.StatusSuppressed}, nil
}

// requireCalls compares the recorded calls, with the repeated calls of a retried email
// counted once.
func (e *orderEnv) requireCalls(want []string) {
	e.t.Helper()
	require.Equal(e.t, want, slices.Compact(e.calls()))
}

// run runs the order until its workflow has completed.
func (e *orderEnv) run() {
	e.t.Helper()
	e.runWith(input())
}

// runWith is run with another input.
func (e *orderEnv) runWith(in workflows.Input) {
	e.t.Helper()
	e.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(e.orderEmail).Maybe()
	e.env.ExecuteWorkflow(workflows.OrderFulfillmentType, in)
	require.True(e.t, e.env.IsWorkflowCompleted(), "the order did not complete")
}

// state returns the workflow's result.
func (e *orderEnv) state() order.State {
	e.t.Helper()
	require.NoError(e.t, e.env.GetWorkflowError())
	var state order.State
	require.NoError(e.t, e.env.GetWorkflowResult(&state))
	return state
}

// query returns the status query's result for the running or completed order.
func (e *orderEnv) query() order.State {
	value, err := e.env.QueryWorkflow(workflows.StatusQuery)
	require.NoError(e.t, err)
	var state order.State
	require.NoError(e.t, value.Get(&state))
	return state
}

func (e *orderEnv) after(d time.Duration, do func()) { e.env.RegisterDelayedCallback(do, d) }

func (e *orderEnv) signal(name string, message any) { e.env.SignalWorkflow(name, message) }

func (e *orderEnv) update(name string, message any) *updateResult {
	result := &updateResult{}
	e.env.UpdateWorkflow(name, "", result, message)
	return result
}

// updateResult records the outcome of an update.
type updateResult struct {
	rejected error
	err      error
	state    *order.State
	complete bool
}

func (u *updateResult) Accept()          {}
func (u *updateResult) Reject(err error) { u.rejected = err }
func (u *updateResult) Complete(value any, err error) {
	u.complete, u.err = true, err
	if state, ok := value.(*order.State); ok {
		u.state = state
	}
}

func reserved() activities.CreditDecision {
	return activities.CreditDecision{Verdict: credit.VerdictReserved, Amount: total}
}

func refused(reason string) func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
	return func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictRefused, Reason: reason, Amount: total}, nil
	}
}

func held(reason string, seconds int64) func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
	return func(activities.ReserveCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictHeld, Reason: reason, Amount: total, HoldSeconds: seconds}, nil
	}
}

func permanentError(errType string) error {
	return temporal.NewNonRetryableApplicationError("permanent failure", errType, nil)
}

var shipment = workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}

type (
	emailKind   = email.Kind
	emailResult = activities.EmailResult
)
