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
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// world is an order's surroundings in a test: what each activity answers, and what was asked of it, in order. The answers
// follow the rules of the real stores closely enough for the workflow to meet what it would meet there.
type world struct {
	t   *testing.T
	env *testsuite.TestWorkflowEnvironment

	mu    sync.Mutex // activities run side by side
	asked []string

	decide  func(activities.ReserveCreditInput) (activities.CreditDecision, error)
	release func(activities.ReleaseCreditInput) (activities.CreditDecision, error)
	start   func() error
	close   func() error
	send    func(email.Kind) (activities.EmailResult, error)
	row     *activities.Fulfillment // what Postgres holds
	told    bool                    // a confirmation went out

	holdsCredit bool
	handedOver  []string // the workflows of mails that the order did not wait for
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
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	w := &world{t: t, env: suite.NewTestWorkflowEnvironment()}
	w.env.SetTestTimeout(20 * time.Second)
	w.decide = func(activities.ReserveCreditInput) (activities.CreditDecision, error) { return reserved(), nil }
	w.release = func(activities.ReleaseCreditInput) (activities.CreditDecision, error) {
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Amount: total}, nil
	}
	w.start = func() error { return nil }
	w.close = func() error { return nil }
	w.send = func(email.Kind) (activities.EmailResult, error) {
		return activities.EmailResult{Status: email.StatusSent}, nil
	}
	workflows.Register(w.env)
	w.env.RegisterActivity(&activities.Activities{})
	w.env.OnActivity("ReserveCredit", mock.Anything, mock.Anything).Return(w.reserveCredit).Maybe()
	w.env.OnActivity("ReleaseCredit", mock.Anything, mock.Anything).Return(w.releaseCredit).Maybe()
	w.env.OnActivity("StartFulfillment", mock.Anything, mock.Anything).Return(w.startFulfillment).Maybe()
	w.env.OnActivity("CloseFulfillment", mock.Anything, mock.Anything).Return(w.closeFulfillment).Maybe()
	w.env.OnActivity("SendEmail", mock.Anything, mock.Anything).Return(w.sendEmail).Maybe()
	return w
}

// calls is what was asked so far.
func (w *world) calls() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.asked)
}

func (w *world) note(words ...string) { w.asked = append(w.asked, strings.Join(words, " ")) }

func (w *world) reserveCredit(_ context.Context, in activities.ReserveCreditInput) (activities.CreditDecision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if in.ApprovedBy != "" {
		w.note("reserve, approved by", in.ApprovedBy)
		return reserved(), nil
	}
	w.note("reserve")
	decision, err := w.decide(in)
	w.holdsCredit = err == nil && decision.Verdict == credit.VerdictReserved
	return decision, err
}

func (w *world) releaseCredit(_ context.Context, in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("release", in.Reason)
	return w.release(in)
}

func (w *world) startFulfillment(context.Context, activities.StartFulfillmentInput) (activities.Fulfillment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("start")
	if err := w.start(); err != nil {
		return activities.Fulfillment{}, err
	}
	if w.row == nil {
		w.row = &activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusPending, MailDue: email.KindConfirmation}
	}
	return *w.row, nil
}

func (w *world) closeFulfillment(_ context.Context, in activities.CloseFulfillmentInput) (activities.Fulfillment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("close", string(in.Status), string(in.Reason))
	if err := w.close(); err != nil {
		return activities.Fulfillment{}, err
	}
	if w.row != nil && w.row.Status.Final() {
		return *w.row, nil
	}
	row := activities.Fulfillment{
		Status: in.Status, Reason: in.Reason, Code: in.Code, Carrier: in.Carrier, TrackingNumber: in.TrackingNumber,
	}
	switch {
	case in.Status == order.StatusShipped:
		row.MailDue = email.KindShipment
		if !w.told {
			row.AlsoDue = []email.Kind{email.KindConfirmation}
		}
	case in.Status == order.StatusRejected:
		row.MailDue = email.KindRejection
	case w.told:
		row.MailDue = email.KindCancellation
	case w.row != nil:
		row.Email = email.StatusSuppressed
	}
	w.row = &row
	return row, nil
}

func (w *world) sendEmail(_ context.Context, in activities.SendEmailInput) (activities.EmailResult, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("mail", string(in.Kind))
	result, err := w.send(in.Kind)
	w.told = w.told || in.Kind == email.KindConfirmation && err == nil && result.Status == email.StatusSent
	return result, err
}

// orderEmail stands for the workflow a mail is handed over to.
func (w *world) orderEmail(ctx workflow.Context, _ workflows.EmailInput) (*activities.EmailResult, error) {
	w.handedOver = append(w.handedOver, workflow.GetInfo(ctx).WorkflowExecution.ID)
	return &activities.EmailResult{Status: email.StatusSuppressed}, nil
}

// requireAsked compares what was asked, each repetition of a retried mail counted once.
func (w *world) requireAsked(want []string) {
	w.t.Helper()
	require.Equal(w.t, want, slices.Compact(w.calls()))
}

// run runs the order to its end.
func (w *world) run() {
	w.t.Helper()
	w.env.OnWorkflow(workflows.OrderEmailType, mock.Anything, mock.Anything).Return(w.orderEmail).Maybe()
	w.env.ExecuteWorkflow(workflows.OrderFulfillmentType, input())
	require.True(w.t, w.env.IsWorkflowCompleted(), "the order did not come to an end")
}

// state is the workflow's result.
func (w *world) state() order.State {
	w.t.Helper()
	require.NoError(w.t, w.env.GetWorkflowError())
	var state order.State
	require.NoError(w.t, w.env.GetWorkflowResult(&state))
	return state
}

// query asks the running, or ended, order.
func (w *world) query() order.State {
	value, err := w.env.QueryWorkflow(workflows.StatusQuery)
	require.NoError(w.t, err)
	var state order.State
	require.NoError(w.t, value.Get(&state))
	return state
}

func (w *world) after(d time.Duration, do func()) { w.env.RegisterDelayedCallback(do, d) }

func (w *world) signal(name string, message any) { w.env.SignalWorkflow(name, message) }

func (w *world) update(name string, message any) *answer {
	a := &answer{}
	w.env.UpdateWorkflow(name, "", a, message)
	return a
}

// answer is what an update came to.
type answer struct {
	rejected error
	err      error
	state    *order.State
	complete bool
}

func (a *answer) Accept()          {}
func (a *answer) Reject(err error) { a.rejected = err }
func (a *answer) Complete(value any, err error) {
	a.complete, a.err = true, err
	if state, ok := value.(*order.State); ok {
		a.state = state
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

func permanently(errType string) error {
	return temporal.NewNonRetryableApplicationError("it cannot be", errType, nil)
}

var shipment = workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

type (
	emailKind   = email.Kind
	emailResult = activities.EmailResult
)
