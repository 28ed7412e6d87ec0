package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/activities"
	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/opstest"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
	"orderflow/workflows"
)

// reconcileRig is everything orders pass through: its own KurrentDB simulator, PostgreSQL
// database and Temporal namespace, a starter that is not running yet and a running
// worker. Its stores hold nothing but its test's data.
type reconcileRig struct {
	*startertest.Starter
	t         *testing.T
	temporal  client.Client
	address   string // of PostgreSQL
	pool      *postgres.Pool
	rows      *postgres.Fulfillments
	orders    streams.Orders
	accounts  *streams.CreditAccounts
	namespace string
	mailer    *fakeMailer
	gate      *activityGate

	activities *activities.Activities
	stopWork   func() // stops the worker and waits for its activities
}

// activityGate holds an activity back right before or right after its effect.
type activityGate struct {
	activities.CreditAccounts
	activities.Fulfillments
	at      string
	reached chan struct{}
	opened  chan struct{}
}

// pass waits at the closed point, once.
func (g *activityGate) pass(point string) {
	if point != g.at {
		return
	}
	select {
	case <-g.reached: // an activity waited here before
	default:
		close(g.reached)
		<-g.opened
	}
}

func (g *activityGate) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	g.pass("before reserve")
	decision, err := g.CreditAccounts.Reserve(withoutDeadline(ctx), r)
	g.pass("after reserve")
	return decision, err
}

func (g *activityGate) Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error) {
	g.pass("before release")
	decision, err := g.CreditAccounts.Release(withoutDeadline(ctx), r, cause)
	g.pass("after release")
	return decision, err
}

func (g *activityGate) StartFulfillment(ctx context.Context, s fulfillment.Start) (fulfillment.Row, error) {
	g.pass("before start")
	row, err := g.Fulfillments.StartFulfillment(withoutDeadline(ctx), s)
	g.pass("after start")
	return row, err
}

func (g *activityGate) CloseFulfillment(ctx context.Context, c fulfillment.Close) (fulfillment.Row, error) {
	g.pass("before close")
	row, err := g.Fulfillments.CloseFulfillment(withoutDeadline(ctx), c)
	g.pass("after close")
	return row, err
}

// withoutDeadline lets an attempt take effect long after its deadline, as on a frozen
// machine.
func withoutDeadline(ctx context.Context) context.Context { return context.WithoutCancel(ctx) }

// fakeMailer is a mailer that keeps the emails it is given, or throttles, or does not
// respond for a while and throttles then.
type fakeMailer struct {
	mu        sync.Mutex
	sent      []email.Letter
	throttled bool
	held      chan struct{} // closed at the end of the while
	waiting   int           // attempts since the while began
}

func (p *fakeMailer) Send(ctx context.Context, letter email.Letter) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := p.held
	if held != nil {
		p.waiting++
		p.mu.Unlock()
		select {
		case <-held:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
	if p.throttled || held != nil {
		return "", &email.SendError{Status: email.StatusPending, Code: "throttled", RetryAfter: time.Second}
	}
	p.sent = append(p.sent, letter)
	return uuid.NewString(), nil
}

func (p *fakeMailer) setThrottled(throttled bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.throttled = throttled
}

// hold makes the mailer not respond until release is called.
func (p *fakeMailer) hold() (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	held := make(chan struct{})
	p.held, p.waiting = held, 0
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.held = nil
		close(held)
	}
}

// kinds returns the kinds of emails an order got, in order.
func (p *fakeMailer) kinds(orderID string) []email.Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	var kinds []email.Kind
	for _, letter := range p.sent {
		if letter.OrderID == orderID {
			kinds = append(kinds, letter.Kind)
		}
	}
	return kinds
}

func (p *fakeMailer) EmailSettled(email.Kind, email.Status) {}

var (
	servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()}
	program string // path of the starter
)

func TestMain(m *testing.M) {
	servers.Run(func() (int, error) {
		program = filepath.Join(servers.Dir(), "starter")
		if err := opstest.Build(context.Background(), servers.Dir(), "../../starter"); err != nil {
			return 1, err
		}
		return m.Run(), nil
	})
}

func newReconcileRig(t *testing.T, options kurrentsim.Options, hold time.Duration) *reconcileRig {
	t.Helper()
	h := &reconcileRig{t: t, mailer: &fakeMailer{}, namespace: "n" + uuid.NewString(), address: servers.Database(t)}
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	h.Starter = startertest.New(t, program, server.URL(), "TEMPORAL_ADDRESS="+servers.Temporal(t), "TEMPORAL_NAMESPACE="+h.namespace,
		"STARTER_CONCURRENCY=8") // the worker shares the machine with those of other tests
	h.pool, err = postgres.Open(t.Context(), postgres.Config{URL: h.address, MaxConns: 24})
	require.NoError(t, err)
	t.Cleanup(h.pool.Close)
	h.rows = postgres.NewFulfillments(h.pool, postgres.EmailRules{})
	limits, err := credit.ParseLimits("10000.00")
	require.NoError(t, err)
	h.orders = streams.Orders{Client: h.Events}
	h.accounts = streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: h.Events, Terms: credit.Terms{Limits: limits},
	})
	h.temporal = h.openNamespace()
	h.gate = &activityGate{
		CreditAccounts: h.accounts, Fulfillments: h.rows, reached: make(chan struct{}), opened: make(chan struct{}),
	}
	h.activities = &activities.Activities{
		Credit: h.gate, Reviews: h.accounts, Orders: h.orders, Fulfillments: h.gate, Published: streams.Fulfillments{Client: h.Events},
		Emails: postgres.NewEmailLedger(h.pool, postgres.EmailRules{}), Mailer: h.mailer, Meter: h.mailer, HoldFor: hold,
	}
	h.startWork()
	t.Cleanup(func() { h.stopWork() })
	return h
}

// openNamespace creates a namespace in the shared server, and waits until it can be used.
func (h *reconcileRig) openNamespace() client.Client {
	h.t.Helper()
	c, err := client.DialContext(h.t.Context(), client.Options{HostPort: servers.Temporal(h.t), Namespace: h.namespace, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(h.t, err)
	h.t.Cleanup(c.Close)
	_, err = c.WorkflowService().RegisterNamespace(h.t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: h.namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(h.t, err)
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		require.NoError(t, devserver.EnsureSearchAttributes(h.t.Context(), c, h.namespace, workflows.SearchAttributes()))
		_, err := c.DescribeWorkflow(h.t.Context(), "nobody", "")
		var notFound *serviceerror.NotFound
		require.ErrorAs(t, err, &notFound)
	}, longEnough, 50*time.Millisecond)
	return c
}

// untilStopped has a worker's Stop return once it polls no more. By default Stop does not
// wait, and a poll in progress may still take and complete a task.
func untilStopped() worker.Options {
	return worker.Options{DisableRegistrationAliasing: true, WorkerStopTimeout: longEnough}
}

// startWork runs a worker, until the test ends or stopWork is called.
func (h *reconcileRig) startWork() {
	h.t.Helper()
	options := untilStopped()
	orders, emails := worker.New(h.temporal, workflows.TaskQueue, options), worker.New(h.temporal, workflows.EmailTaskQueue, options)
	workflows.Register(orders)
	orders.RegisterActivity(h.activities)
	emails.RegisterActivity(h.activities)
	require.NoError(h.t, orders.Start())
	require.NoError(h.t, emails.Start())
	h.stopWork = sync.OnceFunc(func() { orders.Stop(); emails.Stop() })
}

// place appends an order of its own customer.
func (h *reconcileRig) place(id string, more ...kurrent.NewEvent) string {
	h.t.Helper()
	h.Append(id, append([]kurrent.NewEvent{orderFor(id, "customer-of-"+id, "USD100.00")}, more...)...)
	return id
}

func orderFor(id, customer, price string) kurrent.NewEvent {
	event := startertest.PlacedEvent(id)
	var body map[string]any
	if err := json.Unmarshal(event.Data, &body); err != nil {
		panic(err)
	}
	body["customerId"] = customer
	body["lineItems"].([]any)[0].(map[string]any)["pricePerUnit"] = price
	return startertest.NewEvent(order.TypePlaced, body)
}

func (h *reconcileRig) awaitStatus(id string, want order.Status) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		require.Equal(t, want, h.status(id))
	}, longEnough, 20*time.Millisecond)
}

// status queries the order's workflow, open or closed.
func (h *reconcileRig) status(id string) order.Status {
	value, err := h.temporal.QueryWorkflow(h.t.Context(), id, "", workflows.StatusQuery)
	if err != nil {
		return ""
	}
	var state order.State
	if err := value.Get(&state); err != nil {
		return order.Status(err.Error())
	}
	return state.Status
}

func (h *reconcileRig) row(id string) order.Status {
	h.t.Helper()
	return h.rowFor(h.t, id)
}

func (h *reconcileRig) rowFor(t require.TestingT, id string) order.Status {
	rows, err := h.rows.FindFulfillments(h.t.Context(), []string{id})
	require.NoError(t, err)
	if len(rows) == 0 {
		return ""
	}
	return rows[0].Status
}

func (h *reconcileRig) credit(id string) credit.Verdict {
	h.t.Helper()
	decision, _, err := h.accounts.Decision(h.t.Context(), "customer-of-"+id, id)
	require.NoError(h.t, err)
	return decision.Verdict
}

func (h *reconcileRig) terminate(id string) {
	h.t.Helper()
	require.NoError(h.t, h.temporal.TerminateWorkflow(h.t.Context(), id, "", "by the test"))
}

// delete deletes an open workflow, and waits until it is gone. With a closed one the
// server takes half a minute.
func (h *reconcileRig) delete(id string) {
	h.t.Helper()
	_, err := h.temporal.WorkflowService().DeleteWorkflowExecution(h.t.Context(), &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: h.namespace, WorkflowExecution: executionOf(id, ""),
	})
	require.NoError(h.t, err)
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		require.Equal(t, workflowNone, h.describeFor(t, id))
	}, longEnough, waitTick)
}

// forget switches to an empty Temporal namespace, as after the retention of all
// workflows.
func (h *reconcileRig) forget() {
	h.t.Helper()
	h.stopWork()
	h.namespace = "n" + uuid.NewString()
	h.temporal = h.openNamespace()
	h.startWork()
}

// reconcile compares the rig's stores, as the command does. No order is too young unless
// the test says so.
func (h *reconcileRig) reconcile(change ...func(*reconciliation)) *Findings {
	h.t.Helper()
	return h.reconcileFor(h.t, change...)
}

func (h *reconcileRig) reconcileFor(t require.TestingT, change ...func(*reconciliation)) *Findings {
	r := newReconciliation(Options{
		Temporal: h.temporal, Events: h.Events, Rows: h.rows, Logger: slog.New(slog.DiscardHandler),
		Stream: startertest.Stream, Group: startertest.Group, Cutoff: time.Now().Add(time.Second), Wait: longEnough,
	})
	for _, change := range change {
		change(r)
	}
	require.NoError(t, r.run(h.t.Context()))
	return r.report
}

func fixing(r *reconciliation) { r.fix = true }

// of returns the difference about an order. The list is in the order of discovery.
func (r *Findings) of(t *testing.T, orderID string) *difference {
	t.Helper()
	i := slices.IndexFunc(r.Differences, func(d *difference) bool { return d.OrderID == orderID })
	require.GreaterOrEqual(t, i, 0, "no difference about %s", orderID)
	return r.Differences[i]
}

// requireFindings compares the counts with want, a line as the table prints it.
func requireFindings(t *testing.T, want string, got *Findings) {
	t.Helper()
	var text bytes.Buffer
	require.NoError(t, got.Print(&text))
	require.Equal(t, want, fmt.Sprintf("checked %d  missing %d  extra %d  held %d  parked %d  fixed %d  left %d",
		got.Checked, got.Missing, got.Extra, got.Held, got.Parked, got.Fixed, got.Left), text.String())
}

const (
	// longEnough is the timeout for what should happen soon. It covers more than two
	// attempts at an activity, for one of them may be lost on a loaded machine.
	longEnough = 90 * time.Second

	waitTick = 10 * time.Millisecond
)

var shipment = workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}
