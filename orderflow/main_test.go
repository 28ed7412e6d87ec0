package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/opstest"
	"orderflow/dev/sessim"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// operatorRig is what the tests share: the real servers, and one real worker under the
// policy hold, so that an email of unknown outcome waits for its operator.
type operatorRig struct {
	sim      *sessim.Server
	events   *kurrent.Client
	temporal client.Client
	waiting  client.Client // of waitingNamespace
	database *pgx.Conn
	pool     *postgres.Pool
	worker   string // path of the program
	starter  string // path of the program
	environ  []string
}

// waitingNamespace has no worker, so a started order waits.
const waitingNamespace = "waiting"

var shared operatorRig

var servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()}

func TestMain(m *testing.M) {
	servers.Run(func() (int, error) {
		database, postgresErr := servers.StartPostgres()
		temporal, temporalErr := servers.StartTemporal()
		shared.worker, shared.starter = filepath.Join(servers.Dir(), "worker"), filepath.Join(servers.Dir(), "starter")
		buildErr := opstest.Build(context.Background(), servers.Dir(), "../worker", "../starter")
		if err := errors.Join(postgresErr, temporalErr, buildErr); err != nil {
			return 1, err
		}
		return shared.run(context.Background(), m, database.URL, temporal.Address)
	})
}

// run starts the servers of this process, and the worker, which gets its settings as in
// production.
func (w *operatorRig) run(ctx context.Context, m *testing.M, postgresURL, temporalAddress string) (int, error) {
	sim, simErr := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	events, eventsErr := kurrentsim.Start(kurrentsim.Options{})
	if err := errors.Join(simErr, eventsErr, postgres.Migrate(ctx, postgresURL, slog.New(slog.DiscardHandler))); err != nil {
		return 1, err
	}
	defer func() { _ = errors.Join(sim.Stop(ctx), events.Stop(ctx)) }()
	for name, value := range map[string]string{ // read by the SDKs from the process
		"TEMPORAL_ADDRESS": temporalAddress, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_ENDPOINT_URL_SESV2": sim.URL(), "AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		if err := os.Setenv(name, value); err != nil {
			return 1, err
		}
	}
	kurrentURL := events.URL()
	w.sim = sim
	w.environ = []string{
		"POSTGRES_URL=" + postgresURL, "KURRENTDB_URL=" + kurrentURL, "KURRENTDB_ALLOW_PLAINTEXT=true",
		"EMAIL_FROM=shop@example.com", "EMAIL_UNKNOWN_POLICY=hold", "LOG_LEVEL=error", "SHUTDOWN_TIMEOUT=10s",
	}
	if err := w.connect(ctx, kurrentURL, postgresURL, temporalAddress); err != nil {
		return 1, err
	}
	code, err := opstest.Around(ctx, func(ctx context.Context) error {
		return opstest.Run(ctx, w.worker, w.environ, os.Stderr)
	}, w.awaitWorker, m.Run)
	w.pool.Close()
	w.events.Close()
	w.temporal.Close()
	w.waiting.Close()
	return code, errors.Join(err, w.database.Close(ctx))
}

// awaitWorker waits until the shared worker takes work.
func (w *operatorRig) awaitWorker(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, longEnough)
	defer cancel()
	return devserver.AwaitWorker(ctx, w.temporal, workflows.TaskQueue)
}

// openNamespace creates a namespace, waits until it can be used, and returns its client.
func openNamespace(ctx context.Context, address, name string) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{HostPort: address, Namespace: name, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, longEnough)
	defer cancel()
	for tick := time.NewTicker(50 * time.Millisecond); ; {
		err := errors.Join(
			devserver.EnsureSearchAttributes(ctx, c, name, workflows.SearchAttributes()),
			temporalclient.CheckNamespace(ctx, c, name, workflows.SearchAttributes()),
		)
		if err == nil {
			return c, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, errors.Join(err, ctx.Err())
		}
	}
}

func (w *operatorRig) connect(ctx context.Context, kurrentURL, postgresURL, temporalAddress string) (err error) {
	if w.events, err = kurrent.Open(kurrent.Config{URL: kurrentURL, AllowPlaintext: true, CallTimeout: longEnough}); err != nil {
		return err
	}
	if w.pool, err = postgres.Open(ctx, postgres.Config{URL: postgresURL, MaxConns: 4}); err != nil {
		return err
	}
	if w.database, err = pgx.Connect(ctx, postgresURL); err != nil {
		return err
	}
	if w.temporal, err = client.DialContext(ctx, client.Options{HostPort: temporalAddress}); err != nil {
		return err
	}
	w.waiting, err = openNamespace(ctx, temporalAddress, waitingNamespace)
	return err
}

// testOrder is one order, and its customer's email address.
type testOrder struct {
	t           *testing.T
	id, address string
}

// place appends an order, after injecting faults into its emails, and starts its workflow
// as the bridge does.
func place(t *testing.T, faults ...string) testOrder {
	t.Helper()
	unique := strings.ReplaceAll(uuid.NewString(), "-", "")
	p := testOrder{t: t, id: "order-" + unique, address: unique + "@example.com"}
	for _, fault := range faults {
		require.NoError(t, shared.sim.AddFault(sessim.Fault{Fault: fault, To: p.address}))
	}
	body, err := json.Marshal(map[string]any{
		"orderId": p.id, "customerId": "customer-" + unique, "at": "2025-01-01T01:11:30Z",
		"lineItems": []map[string]any{{"productId": "1", "productName": "Lamp", "quantity": 1, "pricePerUnit": "USD100.00", "taxRate": 0}},
		"billing":   map[string]any{"recipient": map[string]any{"fullName": "Canary Person", "emailAddress": p.address}},
	})
	require.NoError(t, err)
	event := kurrent.NewEvent{ID: uuid.New(), Type: order.TypePlaced, Data: body}
	_, err = shared.events.Append(t.Context(), p.id, kurrent.NoStream(), event)
	require.NoError(t, err)
	in := workflows.Input{
		OrderID: p.id, CustomerID: "customer-" + unique, Total: order.Money{Minor: 10000, Currency: "USD"},
		PlacedAt: time.Date(2025, 1, 1, 1, 11, 30, 0, time.UTC), Source: order.Source{Stream: p.id, EventID: event.ID.String()},
	}
	_, err = shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: p.id, TaskQueue: workflows.TaskQueue, TypedSearchAttributes: in.SearchAttributes(),
	}, workflows.OrderFulfillmentType, in)
	require.NoError(t, err)
	return p
}

// longEnough is the timeout for anything that should happen on a busy machine.
const longEnough = 2 * time.Minute

// await waits until the order's status query returns these statuses.
func (p testOrder) await(status order.Status, emailStatus string) {
	p.t.Helper()
	require.EventuallyWithT(p.t, func(c *assert.CollectT) {
		var state order.State
		value, err := shared.temporal.QueryWorkflow(p.t.Context(), p.id, "", workflows.StatusQuery)
		if assert.NoError(c, err) && assert.NoError(c, value.Get(&state)) {
			assert.Equal(c, status, state.Status)
			assert.Equal(c, emailStatus, state.Email)
		}
	}, longEnough, 20*time.Millisecond)
}

func (p testOrder) signal(name string, message any) {
	p.t.Helper()
	require.NoError(p.t, shared.temporal.SignalWorkflow(p.t.Context(), p.id, "", name, message))
}

// row returns an email's state in the ledger: status, attempts, unknown attempts. It
// returns an empty string if there is none yet.
func (p testOrder) row(kind string) string {
	p.t.Helper()
	row, err := p.findRow(kind)
	require.NoError(p.t, err)
	return row
}

// databaseLock guards the one connection through which the tests read the ledger.
var databaseLock sync.Mutex

func (p testOrder) findRow(kind string) (row string, err error) {
	databaseLock.Lock()
	defer databaseLock.Unlock()
	err = shared.database.QueryRow(p.t.Context(), `SELECT coalesce(max(concat_ws('|', status, attempt, unknown_attempts)), '')
		FROM email_delivery WHERE order_id = $1 AND kind = $2`, p.id, kind).Scan(&row)
	return row, err
}

func (p testOrder) awaitRow(kind, want string) {
	p.t.Helper()
	require.EventuallyWithT(p.t, func(c *assert.CollectT) {
		row, err := p.findRow(kind)
		require.NoError(c, err)
		require.Equal(c, want, row)
	}, longEnough, 20*time.Millisecond)
}

// acceptedEmails returns how often each kind of email was accepted for the order.
func (p testOrder) acceptedEmails() map[string]int {
	found := map[string]int{}
	for _, message := range shared.sim.Messages() {
		if message.To == p.address {
			found[message.Tags["kind"]]++
		}
	}
	return found
}
