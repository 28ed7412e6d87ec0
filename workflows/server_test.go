package workflows_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/encoding/protojson"

	"orderflow/activities"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

const serverTimeout = 2 * time.Minute

// recordHistories writes the histories that these tests cause, for the replay test: make
// record-histories.
var recordHistories = flag.Bool("record", false, "write the histories to testdata/histories")

var servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()} //nolint:gochecknoglobals // shared by the package; TestMain stops them

func TestMain(m *testing.M) { servers.Main(m) }

// orderOnServer is one order on a real server. Its worker can be stopped, so that
// everything sent meanwhile shares the next workflow task. Its activities follow the
// rules of the real stores as far as the order can observe them.
type orderOnServer struct {
	t      *testing.T
	client client.Client
	queue  string
	id     string
	stores *memoryStores
	worker worker.Worker
	lines  *logLines
}

func newOrderOnServer(t *testing.T) *orderOnServer {
	t.Helper()
	lines := &logLines{}
	c, err := client.Dial(client.Options{HostPort: servers.Temporal(t), Logger: lines.logger()})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	name := fmt.Sprintf("order-%d", time.Now().UnixNano())
	o := &orderOnServer{t: t, client: c, queue: name, id: name, stores: &memoryStores{id: name}, lines: lines}
	t.Cleanup(o.stopWorker)
	return o
}

// untilStopped has the worker's Stop return once it polls no more. By default Stop does
// not wait, and a poll in progress may still take and complete a task.
func untilStopped() worker.Options { return worker.Options{WorkerStopTimeout: serverTimeout} }

func (o *orderOnServer) startWorker() {
	o.t.Helper()
	o.worker = worker.New(o.client, o.queue, untilStopped())
	workflows.Register(o.worker)
	for name, do := range o.stores.activities() {
		o.worker.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	require.NoError(o.t, o.worker.Start())
}

func (o *orderOnServer) stopWorker() {
	if o.worker != nil {
		o.worker.Stop()
		o.worker = nil
	}
}

func (o *orderOnServer) input() workflows.Input {
	in := input()
	in.OrderID, in.Source.Stream = o.id, o.id
	return in
}

func (o *orderOnServer) start() {
	o.t.Helper()
	in := o.input()
	_, err := o.client.ExecuteWorkflow(o.t.Context(), client.StartWorkflowOptions{
		ID: o.id, TaskQueue: o.queue, TypedSearchAttributes: in.SearchAttributes(), StaticSummary: in.Summary(),
		StaticDetails: in.Details(), Memo: map[string]any{workflows.MemoSourceEventID: in.Source.EventID},
	}, workflows.OrderFulfillmentType, in)
	require.NoError(o.t, err)
}

func (o *orderOnServer) signal(name string, message any) {
	o.t.Helper()
	require.NoError(o.t, o.client.SignalWorkflow(o.t.Context(), o.id, "", name, message))
}

// update sends an update, which reaches the order once its worker runs, and returns a
// channel with the update's error.
func (o *orderOnServer) update(name string, message any) <-chan error {
	done := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), serverTimeout)
		defer cancel()
		handle, err := o.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: o.id, UpdateName: name, Args: []any{message}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		done <- err
	}()
	return done
}

func (o *orderOnServer) eventually(what string, condition func() bool) {
	o.t.Helper()
	require.Eventually(o.t, condition, serverTimeout, 20*time.Millisecond, what)
}

// query returns the state of a running order, and reports whether the query succeeded.
func (o *orderOnServer) query() (state order.State, ok bool) {
	ctx, cancel := context.WithTimeout(o.t.Context(), 5*time.Second)
	defer cancel()
	value, err := o.client.QueryWorkflow(ctx, o.id, "", workflows.StatusQuery)
	return state, err == nil && value.Get(&state) == nil
}

func (o *orderOnServer) awaitStatus(want order.Status) {
	o.t.Helper()
	o.eventually("the order is "+string(want), func() bool {
		state, ok := o.query()
		return ok && state.Status == want
	})
}

func (o *orderOnServer) history(runID string) []*history.HistoryEvent {
	var events []*history.HistoryEvent
	found := o.client.GetWorkflowHistory(o.t.Context(), o.id, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for found.HasNext() {
		event, err := found.Next()
		require.NoError(o.t, err)
		events = append(events, event)
	}
	return events
}

// record writes the history of one run to a file whose name begins with the rules of the
// orders here.
func (o *orderOnServer) record(name, runID string) {
	o.t.Helper()
	o.recordAs(fmt.Sprintf("rules-%d-%s", workflows.CurrentRules, name), runID)
}

// recordAs writes the history of one run to a file. It never overwrites an existing file.
func (o *orderOnServer) recordAs(name, runID string) {
	o.t.Helper()
	path := filepath.Join("testdata", "histories", name+".json")
	if _, err := os.Stat(path); err == nil || !*recordHistories {
		return
	}
	content, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(&history.History{Events: o.history(runID)})
	require.NoError(o.t, err)
	require.NoError(o.t, os.WriteFile(path, append(content, '\n'), 0o600))
}

// recordWorkflow writes the history of another workflow, whose rules are not those of orders.
func (o *orderOnServer) recordWorkflow(name, workflowID string) {
	o.t.Helper()
	other := *o
	other.id = workflowID
	other.recordAs(name, "")
}

func (o *orderOnServer) awaitEvent(kind enums.EventType) {
	o.t.Helper()
	o.eventually(kind.String(), func() bool {
		for _, event := range o.history("") {
			if event.GetEventType() == kind {
				return true
			}
		}
		return false
	})
}

// result waits for the order's result, across every run.
func (o *orderOnServer) result() (order.State, error) {
	ctx, cancel := context.WithTimeout(o.t.Context(), serverTimeout)
	defer cancel()
	var state order.State
	err := o.client.GetWorkflow(ctx, o.id, "").Get(ctx, &state)
	return state, err
}

// memoryStores make the same decisions as the real stores, for one order.
type memoryStores struct {
	mu          sync.Mutex
	holdFor     time.Duration // above zero: the order is over the limit
	holdUntil   time.Time
	released    string
	reserved    int
	ordered     []int // the quantities of the order's lines
	shipBy      time.Time
	parcels     []order.Parcel
	closed      *activities.Fulfillment
	requested   *activities.RequestedCancellation
	id          string // of the order
	unavailable bool
}

// activities returns the activities by their names.
func (m *memoryStores) activities() map[string]any {
	return map[string]any{
		"ReserveCredit": m.ReserveCredit, "ReleaseCredit": m.ReleaseCredit,
		"StartFulfillment": m.StartFulfillment, "RecordParcel": m.RecordParcel, "CloseFulfillment": m.CloseFulfillment,
		"FindCancellation": m.FindCancellation, "ReviewCredit": m.ReviewCredit,
	}
}

// review reserves the order's credit, as a review of the account does.
func (m *memoryStores) review() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.released == "" {
		m.reserved++
	}
}

func (m *memoryStores) ReviewCredit(context.Context, activities.ReviewCreditInput) (activities.CreditReview, error) {
	m.review()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.released != "" {
		return activities.CreditReview{}, nil
	}
	return activities.CreditReview{Orders: []string{m.id}}, nil
}

// block makes closing the fulfillment fail as in an outage, until unblock.
func (m *memoryStores) block()   { m.setUnavailable(true) }
func (m *memoryStores) unblock() { m.setUnavailable(false) }

func (m *memoryStores) setUnavailable(unavailable bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unavailable = unavailable
}

func (m *memoryStores) ReserveCredit(_ context.Context, in activities.ReserveCreditInput) (activities.CreditDecision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.released != "":
		return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: m.released, Amount: in.Amount}, nil
	case m.holdFor == 0, in.ApprovedBy != "", m.reserved > 0:
		m.reserved++
		return reserved(), nil
	}
	if m.holdUntil.IsZero() {
		m.holdUntil = time.Now().Add(m.holdFor).UTC()
	}
	return activities.CreditDecision{
		Verdict: credit.VerdictHeld, Reason: "INSUFFICIENT_CREDIT", Amount: in.Amount, HoldUntil: m.holdUntil,
	}, nil
}

func (m *memoryStores) ReleaseCredit(_ context.Context, in activities.ReleaseCreditInput) (activities.CreditDecision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if in.HeldOnly && m.reserved > 0 && m.released == "" {
		return reserved(), nil
	}
	if m.released == "" {
		m.released = in.Reason
	}
	return activities.CreditDecision{Verdict: credit.VerdictReleased, Reason: m.released, Amount: in.Amount}, nil
}

func (m *memoryStores) StartFulfillment(context.Context, activities.StartFulfillmentInput) (activities.Fulfillment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed != nil {
		return *m.closed, nil
	}
	return m.fulfilling(), nil
}

func (m *memoryStores) fulfilling() activities.Fulfillment {
	return activities.Fulfillment{Status: order.StatusFulfilling, Email: email.StatusSent, Quantities: m.ordered, Parcels: m.parcels, ShipBy: m.shipBy}
}

func (m *memoryStores) RecordParcel(_ context.Context, in activities.RecordParcelInput) (activities.Fulfillment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unavailable {
		return activities.Fulfillment{}, errors.New("connection refused")
	}
	m.parcels = in.Parcels
	return m.fulfilling(), nil
}

func (m *memoryStores) CloseFulfillment(_ context.Context, in activities.CloseFulfillmentInput) (activities.Fulfillment, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unavailable {
		return activities.Fulfillment{}, errors.New("connection refused")
	}
	if in.Status == order.StatusCancelled && len(m.parcels) > 0 {
		return m.fulfilling(), nil
	}
	if in.Status == order.StatusShipped && m.closed == nil && len(m.parcels) != max(len(in.Parcels), 1)-1 {
		return m.fulfilling(), nil
	}
	if m.closed == nil {
		m.closed = &activities.Fulfillment{
			Status: in.Status, Reason: in.Reason, Code: in.Code, Shipment: in.Shipment, Parcels: in.Parcels,
			Email: email.StatusSent,
		}
	}
	return *m.closed, nil
}

func (m *memoryStores) FindCancellation(context.Context, activities.FindCancellationInput) (activities.RequestedCancellation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.requested == nil {
		return activities.RequestedCancellation{}, nil
	}
	return *m.requested, nil
}
