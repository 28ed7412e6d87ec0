package erasure_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/erasure"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
)

var servers devservertest.Servers

func TestMain(m *testing.M) { servers.Main(m) }

// canary is in the personal data of every order of these tests.
const canary = "Canary"

// erasureRig is the three stores, and orders as a worker leaves them.
type erasureRig struct {
	erasure.Stores
	t        *testing.T
	rows     *postgres.Fulfillments
	accounts *streams.CreditAccounts
	database *pgx.Conn
}

func newErasureRig(t *testing.T) *erasureRig {
	t.Helper()
	url := servers.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	database, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = database.Close(context.Background()) })
	temporal, err := client.DialContext(t.Context(), client.Options{HostPort: servers.Temporal(t)})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	limits, err := credit.ParseLimits("10000.00")
	require.NoError(t, err)
	events := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	r := &erasureRig{t: t, rows: postgres.NewFulfillments(pool, postgres.EmailRules{}), database: database}
	r.accounts = streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: events, Terms: credit.Terms{Limits: limits}})
	r.Stores = erasure.Stores{Temporal: temporal, Events: events, Rows: r.rows, Accounts: r.accounts, Logger: slog.New(slog.DiscardHandler)}
	return r
}

// placedOrder is an order and the event that placed it.
type placedOrder struct {
	order.Placed
	source order.Source
}

func newID(kind string) string { return kind + "-" + strings.ReplaceAll(uuid.NewString(), "-", "") }

// place appends an order, changed by change, which may be nil.
func (r *erasureRig) place(customer string, change func(body map[string]any)) placedOrder {
	r.t.Helper()
	id := newID("order")
	return r.placeOn(id, customer, change)
}

func (r *erasureRig) placeOn(id, customer string, change func(body map[string]any)) placedOrder {
	r.t.Helper()
	person := map[string]any{"fullName": canary + " Person", "emailAddress": canary + "@example.com"}
	body := map[string]any{
		"orderId": id, "customerId": customer, "at": "2025-01-01T01:11:30Z",
		"lineItems": []map[string]any{{"productId": "1", "productName": "Lamp", "quantity": 1, "pricePerUnit": "USD100.00", "taxRate": 0}},
		"shipping":  map[string]any{"recipient": person, "address": map[string]any{"country": "NL", "lines": []string{canary + " Street"}}},
		"billing":   map[string]any{"recipient": person},
	}
	if change != nil {
		change(body)
	}
	event := startertest.NewEvent(order.TypePlaced, body)
	revision, err := r.Events.Append(r.t.Context(), id, kurrent.Any(), event)
	require.NoError(r.t, err)
	placed, _ := order.DecodePlaced(id, "application/json", event.Data)
	return placedOrder{placed, order.Source{Stream: id, Revision: revision, EventID: event.ID.String()}}
}

// fulfill reserves the order's credit and writes its row.
func (r *erasureRig) fulfill(o placedOrder) placedOrder {
	r.t.Helper()
	_, err := r.accounts.Reserve(r.t.Context(), credit.Request{CustomerID: o.CustomerID, OrderID: o.OrderID, Amount: o.Total, Source: o.source})
	require.NoError(r.t, err)
	_, err = r.rows.StartFulfillment(r.t.Context(), fulfillment.Start{Order: o.Placed, Source: o.source})
	require.NoError(r.t, err)
	return o
}

// ship closes the order's row as shipped.
func (r *erasureRig) ship(o placedOrder) placedOrder {
	r.t.Helper()
	_, err := r.rows.CloseFulfillment(r.t.Context(), fulfillment.Close{
		OrderID: o.OrderID, CustomerID: o.CustomerID, Total: o.Total, PlacedAt: o.PlacedAt, Source: o.source,
		Status: order.StatusShipped, Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"},
	})
	require.NoError(r.t, err)
	return o
}

// pay releases the order's credit.
func (r *erasureRig) pay(o placedOrder) placedOrder {
	r.t.Helper()
	_, err := r.accounts.Release(r.t.Context(), credit.Request{CustomerID: o.CustomerID, OrderID: o.OrderID, Amount: o.Total},
		credit.Cause{Reason: credit.ReasonPaid, Paid: o.Total, Overpaid: order.Zero("USD")})
	require.NoError(r.t, err)
	return o
}

// settled returns an order that was shipped and paid.
func (r *erasureRig) settled(customer string) placedOrder {
	r.t.Helper()
	return r.pay(r.ship(r.fulfill(r.place(customer, nil))))
}

// start starts a workflow that no worker takes.
func (r *erasureRig) start(id string) {
	r.t.Helper()
	_, err := r.Temporal.ExecuteWorkflow(r.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "no-worker"}, "Waiting")
	require.NoError(r.t, err)
}

func (r *erasureRig) erase(subject erasure.Subject, o erasure.Options) (erasure.Erased, error) {
	r.t.Helper()
	return erasure.Erase(r.t.Context(), r.Stores, subject, o)
}

// frozen vacuums the tables with personal data, and returns what is left of a customer.
func (r *erasureRig) frozen(customer string) erasure.Report {
	r.t.Helper()
	for _, table := range []string{"order_fulfillment", "email_delivery"} {
		_, err := r.database.Exec(r.t.Context(), "VACUUM (FREEZE) "+table)
		require.NoError(r.t, err)
	}
	report, err := erasure.Verify(r.t.Context(), r.Stores, erasure.Subject{CustomerID: customer})
	require.NoError(r.t, err)
	return report
}

// personal returns the tables with a row that contains the canary and the order's id.
func (r *erasureRig) personal(orderID string) (tables []string) {
	r.t.Helper()
	rows, err := r.database.Query(r.t.Context(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
	require.NoError(r.t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(r.t, err)
	require.Contains(r.t, all, "email_delivery")
	for _, table := range all {
		var found int
		err := r.database.QueryRow(r.t.Context(),
			"SELECT count(*) FROM "+table+" t WHERE t::text LIKE '%' || $1 || '%' AND t::text LIKE '%' || $2 || '%'", orderID, canary).Scan(&found)
		require.NoError(r.t, err)
		if found > 0 {
			tables = append(tables, table)
		}
	}
	return tables
}

// readable reports whether the order's stream has an event that can be read.
func (r *erasureRig) readable(orderID string) bool {
	r.t.Helper()
	_, err := r.Events.LastEvent(r.t.Context(), orderID)
	if err != nil {
		require.True(r.t, kurrent.IsGone(err), err)
	}
	return err == nil
}

// places returns a report's places as text, without the times in it.
func places(report erasure.Report) (all []string) {
	for _, p := range report.Places {
		detail, _, _ := strings.Cut(p.Detail, " since ")
		detail, _, _ = strings.Cut(detail, " from before ")
		all = append(all, strings.TrimSpace(strings.Join([]string{p.Store, p.Place, string(p.State), detail}, "|")))
	}
	return all
}

// interruptedRows fails the erasure of one order, once.
type interruptedRows struct {
	*postgres.Fulfillments
	at string
}

var errInterrupted = errors.New("interrupted")

func (r *interruptedRows) EraseOrder(ctx context.Context, orderID string) error {
	if orderID == r.at {
		r.at = ""
		return errInterrupted
	}
	return r.Fulfillments.EraseOrder(ctx, orderID)
}

const longEnough = time.Minute
