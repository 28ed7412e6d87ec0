package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// patience is how long anything that should happen may take on a busy machine.
const patience = time.Minute

// servers has one cluster for all tests, each of which has a database to itself.
var servers = devservertest.Servers{FindLeaks: true}

var idle = make(chan string, 1<<10) // databases that a test is done with, to be emptied for the next

func TestMain(m *testing.M) { servers.Main(m) }

// emptied gives a migrated database without rows. Making one takes much longer than
// emptying one, which takes a superuser who puts the triggers to sleep.
func emptied(t *testing.T) string {
	t.Helper()
	var url string
	select {
	case url = <-idle:
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		_, err = conn.Exec(t.Context(), `SET session_replication_role = replica; TRUNCATE order_fulfillment,
			order_fulfillment_line, order_fulfillment_history, email_delivery, email_suppression, orderflow_lease RESTART IDENTITY`)
		require.NoError(t, errors.Join(err, conn.Close(t.Context())))
	default:
		url = servers.Database(t)
	}
	t.Cleanup(func() { idle <- url })
	return url
}

// stores are all stores on one pool.
type stores struct {
	*postgres.Pool
	*postgres.Fulfillments
	*postgres.EmailLedger
	*postgres.Publication
}

func openStores(ctx context.Context, c postgres.Config, rules ...postgres.EmailRules) (*stores, error) {
	pool, err := postgres.Open(ctx, c)
	if err != nil {
		return nil, err
	}
	var r postgres.EmailRules
	if len(rules) > 0 {
		r = rules[0]
	}
	return &stores{
		Pool: pool, Fulfillments: postgres.NewFulfillments(pool, r), EmailLedger: postgres.NewEmailLedger(pool, r),
		Publication: postgres.NewPublication(pool),
	}, nil
}

// world is one test's database with the stores that are tested and a connection to look
// behind it.
type world struct {
	*stores
	t    *testing.T
	url  string
	conn *pgx.Conn
}

// newWorld runs the test beside others.
func newWorld(t *testing.T, c postgres.Config, rules ...postgres.EmailRules) *world {
	t.Helper()
	t.Parallel()
	c.URL = emptied(t)
	return openWorld(t, c, rules...)
}

// newWorldToChange is for a test that changes more in its database than rows.
func newWorldToChange(t *testing.T, c postgres.Config) *world {
	t.Helper()
	t.Parallel()
	c.URL = servers.Database(t)
	return openWorld(t, c)
}

func openWorld(t *testing.T, c postgres.Config, rules ...postgres.EmailRules) *world {
	t.Helper()
	if c.MaxConns == 0 {
		c.MaxConns = 4
	}
	store, err := openStores(t.Context(), c, rules...)
	require.NoError(t, err)
	t.Cleanup(store.Close)
	conn, err := pgx.Connect(t.Context(), c.URL)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close(context.WithoutCancel(t.Context()))) })
	return &world{stores: store, t: t, url: c.URL, conn: conn}
}

func (w *world) exec(sql string, args ...any) error {
	_, err := w.conn.Exec(w.t.Context(), sql, args...)
	return err
}

// hasty is a store on the world's database that gives up soon.
func (w *world) hasty(timeout time.Duration, conns int32) *stores {
	w.t.Helper()
	store, err := openStores(w.t.Context(), postgres.Config{URL: w.url, CallTimeout: timeout, MaxConns: conns})
	require.NoError(w.t, err)
	w.t.Cleanup(store.Close)
	return store
}

// rows gives a query's rows as text, columns joined by a bar.
func (w *world) rows(sql string, args ...any) []string {
	w.t.Helper()
	rows, err := w.conn.Query(w.t.Context(), sql, args...)
	require.NoError(w.t, err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		values, err := row.Values()
		texts := make([]string, len(values))
		for i, value := range values {
			texts[i] = fmt.Sprint(value)
		}
		return strings.Join(texts, "|"), err
	})
	require.NoError(w.t, err)
	return all
}

// mail returns the status, attempt, unknown attempts and message id of an email in the
// ledger.
func (w *world) mail(kind email.Kind) string {
	w.t.Helper()
	rows := w.rows(`SELECT status, attempt, unknown_attempts, coalesce(message_id, '-') FROM email_delivery
		WHERE order_id = $1 AND kind = $2`, orderID, kind)
	if len(rows) == 0 {
		return "none"
	}
	return rows[0]
}

const (
	orderID  = "order-b0d1a15a21d24ffa97785ce7b345a87e"
	customer = "customer-185176238"
	sourceID = "8ac54566-28e9-4090-9719-7f41848bd2e2"
)

// The personal data of the order below, which must be found in no history.
var canaries = []string{"canary-title", "canary-name", "canary-phone", "canary-country", "canary-street", "canary-mail"}

func total() order.Money { return order.Money{Minor: 488549, Currency: "USD"} }

func placedAt() time.Time { return time.Date(2025, 1, 1, 1, 11, 30, 976938000, time.UTC) }

func placed() order.Placed {
	return order.Placed{
		OrderID: orderID, CustomerID: customer, Total: total(), PlacedAt: placedAt(), ShippingMethod: "express",
		Recipient: order.Recipient{Title: "canary-title", FullName: "canary-name", Phone: "canary-phone"},
		Address:   order.Address{Country: "canary-country", Lines: []string{"canary-street 445", "75096 Chadport"}},
		Email:     "canary-mail@example.com",
		Lines: []order.Line{
			{No: 1, ProductID: "3906", ProductName: "Lamp", Quantity: 5, UnitPrice: "601.05", TaxRate: "0.21",
				Total: order.Money{Minor: 363635, Currency: "USD"}},
			{No: 2, ProductID: "4579", ProductName: "Ring", Quantity: 3, UnitPrice: "392.810", TaxRate: "0.06",
				Total: order.Money{Minor: 124914, Currency: "USD"}},
		},
	}
}

func start() fulfillment.Start {
	return fulfillment.Start{Order: placed(), Source: order.Source{EventID: sourceID}}
}

func closing(status order.Status) fulfillment.Close {
	return fulfillment.Close{
		OrderID: orderID, CustomerID: customer, Total: total(), PlacedAt: placedAt(), Source: order.Source{EventID: sourceID}, Status: status,
	}
}

func shipped() fulfillment.Close {
	c := closing(order.StatusShipped)
	c.Carrier, c.TrackingNumber = "UPS", "1Z999"
	return c
}

func cancelled() fulfillment.Close {
	c := closing(order.StatusCancelled)
	c.Reason, c.Code = order.ReasonCancelled, "customer-request"
	return c
}

func rejected() fulfillment.Close {
	c := closing(order.StatusRejected)
	c.Reason = order.ReasonInsufficientCredit
	body := placed()
	c.Order = &body
	return c
}

func (w *world) start() fulfillment.Row {
	w.t.Helper()
	row, err := w.StartFulfillment(w.t.Context(), start())
	require.NoError(w.t, err)
	return row
}

func (w *world) close(c fulfillment.Close) fulfillment.Row {
	w.t.Helper()
	row, err := w.CloseFulfillment(w.t.Context(), c)
	require.NoError(w.t, err)
	return row
}

func (w *world) claim(kind email.Kind) email.Claim {
	w.t.Helper()
	claim, err := w.ClaimEmail(w.t.Context(), orderID, kind)
	require.NoError(w.t, err)
	return claim
}

func (w *world) settle(o email.Outcome) email.Status {
	w.t.Helper()
	o.OrderID = orderID
	status, err := w.SettleEmail(w.t.Context(), o)
	require.NoError(w.t, err)
	return status
}

func (w *world) mustFind(id string) fulfillment.Row {
	w.t.Helper()
	row, err := w.FindFulfillment(w.t.Context(), id)
	require.NoError(w.t, err)
	return row
}

// requireNoPerson looks for the canaries in every column of the tables.
func (w *world) requireNoPerson(tables ...string) {
	w.t.Helper()
	for _, table := range tables {
		for _, row := range w.rows("SELECT t::text FROM " + table + " t") {
			for _, canary := range canaries {
				require.NotContains(w.t, row, canary, table)
			}
		}
	}
}
