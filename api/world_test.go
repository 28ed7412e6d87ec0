package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/goleak"

	"orderflow/activities"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/leaktest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
	"orderflow/internal/view"
	"orderflow/workflows"
)

// world is what the tests share: the real servers with a worker, and a projection of the
// log. A bridge is left out: a test starts an order's workflow when it wants it to run.
type world struct {
	kurrentURL, postgresURL, temporalAddress string

	events   *kurrent.Client
	pool     *postgres.Pool
	orders   streams.Orders
	accounts *streams.CreditAccounts
	temporal client.Client
}

var shared world

var servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()}

func TestMain(m *testing.M) {
	servers.Run(func() (int, error) {
		code, err := runTests(context.Background(), m)
		if err == nil && code == 0 && allRun() {
			err = seen.complete()
		}
		return code, err
	})
}

func runTests(ctx context.Context, m *testing.M) (code int, err error) {
	database, postgresErr := servers.StartPostgres()
	temporal, temporalErr := servers.StartTemporal()
	sim, simErr := kurrentsim.Start(kurrentsim.Options{})
	if err := errors.Join(postgresErr, temporalErr, simErr); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, sim.Stop(ctx)) }()
	if err := postgres.Migrate(ctx, database.URL, slog.New(slog.DiscardHandler)); err != nil {
		return 1, err
	}
	shared = world{kurrentURL: sim.URL(), postgresURL: database.URL, temporalAddress: temporal.Address}
	leak := goleak.IgnoreCurrent()
	if code, err = shared.run(ctx, m); err == nil && code == 0 {
		http.DefaultClient.CloseIdleConnections()
		err = leaktest.Find(leak)
	}
	return code, err
}

func (w *world) run(ctx context.Context, m *testing.M) (code int, err error) {
	if w.events, err = kurrent.Open(kurrent.Config{URL: w.kurrentURL, AllowPlaintext: true, CallTimeout: storeTimeout}); err != nil {
		return 1, err
	}
	defer w.events.Close()
	if w.pool, err = postgres.Open(ctx, postgres.Config{URL: w.postgresURL, MaxConns: 8}); err != nil {
		return 1, err
	}
	defer w.pool.Close()
	if w.temporal, err = client.DialContext(ctx, client.Options{HostPort: w.temporalAddress, Logger: slog.New(slog.DiscardHandler)}); err != nil {
		return 1, err
	}
	defer w.temporal.Close()
	limits, err := credit.ParseLimits("10000.00")
	if err != nil {
		return 1, err
	}
	w.orders = streams.Orders{Client: w.events}
	w.accounts = streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: w.events, Terms: credit.Terms{Limits: limits}})
	stop, err := w.work()
	if err != nil {
		return 1, err
	}
	defer stop()
	projecting, end := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() {
		err := w.project(projecting)
		if projecting.Err() != nil { // it ends with the tests
			err = nil
		} else {
			fmt.Fprintln(os.Stderr, "the projection ended before the tests:", err)
		}
		ended <- err
	}()
	code = m.Run()
	end()
	return code, <-ended
}

func (w *world) fulfillments() *postgres.Fulfillments {
	return postgres.NewFulfillments(w.pool, postgres.EmailRules{})
}

// work runs the product's workflows and activities. Mails go nowhere.
func (w *world) work() (stop func(), err error) {
	does := &activities.Activities{
		Credit: holdingAccounts{w.accounts}, Reviews: w.accounts, Orders: w.orders, Fulfillments: w.fulfillments(), Published: streams.Fulfillments{Client: w.events},
		Emails: postgres.NewEmailLedger(w.pool, postgres.EmailRules{}), Mailer: discardEmails{}, Meter: discardEmails{},
	}
	orders := worker.New(w.temporal, workflows.TaskQueue, worker.Options{DisableRegistrationAliasing: true})
	mails := worker.New(w.temporal, workflows.EmailTaskQueue, worker.Options{DisableRegistrationAliasing: true})
	workflows.Register(orders)
	orders.RegisterActivity(does)
	mails.RegisterActivity(does)
	if err := errors.Join(orders.Start(), mails.Start()); err != nil {
		return nil, err
	}
	return func() { orders.Stop(); mails.Stop() }, nil
}

// project takes each event into the view as it comes.
func (w *world) project(ctx context.Context) error {
	var at postgres.ViewPosition
	return w.events.Follow(ctx, kurrent.Follow{Prefixes: view.Prefixes()}, func(s kurrent.Step) error {
		if s.Position == (kurrent.Position{}) {
			return nil
		}
		to := postgres.ViewPosition{Commit: s.Position.Commit, Prepare: s.Position.Prepare, EventAt: at.EventAt}
		var changes []view.Change
		if e := s.Event; e != nil {
			to.EventAt = e.Created
			change, says := view.Decode(view.Event{
				Stream: e.Stream, Revision: e.Revision, Type: e.Type, ContentType: e.ContentType, Data: e.Data, Metadata: e.Metadata, Written: e.Created,
			})
			if says {
				changes = append(changes, change)
			}
		}
		err := postgres.NewCustomerView(w.pool).Project(ctx, postgres.ProjectionLive, at, to, changes)
		at = to
		return err
	})
}

// holdingAccounts put the orders of customers whose id begins with holdPrefix on hold, if they
// exceed their credit.
type holdingAccounts struct{ *streams.CreditAccounts }

const holdPrefix = "held-"

func (h holdingAccounts) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	if strings.HasPrefix(r.CustomerID, holdPrefix) {
		r.HoldUntil = time.Now().Add(time.Hour)
	}
	return h.CreditAccounts.Reserve(ctx, r)
}

type discardEmails struct{}

func (discardEmails) Send(context.Context, email.Letter) (string, error) {
	return uuid.NewString(), nil
}
func (discardEmails) EmailSettled(email.Kind, email.Status) {}

// api is one over the real servers, for a test to change.
func (w *world) api() *api {
	return &api{
		streams: w.orders, accounts: w.accounts, rows: w.fulfillments(), workflows: w.temporal,
		search: newOperations(w.temporal, client.DefaultNamespace, slog.New(slog.DiscardHandler)), live: newLiveStreams(prometheus.NewRegistry()),
		view: postgres.NewCustomerView(w.pool), lists: postgres.NewCustomerView(w.pool), lag: newLagMeter(w.events),
		observe: func(string, int, time.Duration) {}, logger: slog.New(slog.NewTextHandler(io.Discard, nil)), now: time.Now,
		updateWait: time.Minute, // of which the time for a request leaves less
	}
}

// body is an order as a checkout sends it, with members changed or, by nil, left out.
func body(id, customerID string, changes map[string]any) map[string]any {
	recipient := map[string]any{"fullName": "Ada Canary", "emailAddress": "canary@example.com"}
	b := map[string]any{
		"orderId": id, "customerId": customerID, "at": "2025-01-01T01:11:30Z", "checkoutOfCart": "cart-1@2",
		"lineItems": []any{map[string]any{
			"productId": "1", "productName": "Lamp", "quantity": 2, "pricePerUnit": "USD100.00", "taxRate": 0.21,
		}},
		"shipping": map[string]any{"recipient": recipient, "address": map[string]any{"country": "NL", "lines": []any{"Canary Street 1"}}},
		"billing":  map[string]any{"recipient": recipient},
	}
	maps.Copy(b, changes)
	maps.DeleteFunc(b, func(_ string, value any) bool { return value == nil })
	return b
}

func newID() string         { return "order-" + strings.ReplaceAll(uuid.NewString(), "-", "") }
func newCustomerID() string { return "customer-" + uuid.NewString() }

func event(kind string, data []byte) kurrent.NewEvent {
	return kurrent.NewEvent{ID: uuid.New(), Type: kind, Data: data}
}

// begin starts an order's workflow, as the bridge does.
func (w *world) begin(ctx context.Context, id string) error {
	found, err := w.orders.FindPlaced(ctx, id)
	if err != nil {
		return err
	}
	placed, err := order.DecodePlaced(found.Stream, found.ContentType, found.Data)
	if err != nil {
		return err
	}
	input := workflows.Input{
		OrderID: id, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt,
		Source: order.Source{Stream: id, Revision: found.Revision, EventID: found.ID.String()},
	}
	_, err = w.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.TaskQueue, TypedSearchAttributes: input.SearchAttributes(),
	}, workflows.OrderFulfillmentType, input)
	return err
}

// allRun tells whether no test was left out.
func allRun() bool {
	return !slices.ContainsFunc(os.Args, func(arg string) bool {
		return strings.HasPrefix(arg, "-test.run=") || strings.HasPrefix(arg, "-test.list=") || strings.HasPrefix(arg, "-test.skip=")
	})
}
