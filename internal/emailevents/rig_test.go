package emailevents_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/sessim"
	"orderflow/internal/email"
	"orderflow/internal/emailevents"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/ses"
	"orderflow/internal/streams"
)

var servers devservertest.Servers

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() { // this machine's AWS settings must not reach the tests
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "AWS_") {
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_CONFIG_FILE": os.DevNull, "AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
	} {
		_ = os.Setenv(name, value)
	}
	servers.Main(m)
}

// rig is one consumer with its queue, its database and its event store, the last two
// behind proxies, and a sender that sends without them.
type rig struct {
	t                *testing.T
	sim              *sessim.Server
	database, events *faultproxy.Proxy
	consumer         *emailevents.Consumer
	registry         *prometheus.Registry
	mailer           *ses.Mailer
	ledger           *postgres.EmailLedger
	fulfillments     *postgres.Fulfillments
	streams          *kurrent.Client
	conn             *pgx.Conn
}

func newRig(t *testing.T, o sessim.Options) *rig {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	sim, err := sessim.Start(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Stop(canceled()) })
	address, err := url.Parse(servers.Database(t))
	require.NoError(t, err)
	store := kurrentsimtest.StartServer(t)
	r := &rig{
		t: t, sim: sim, database: startProxy(t, address.Host), events: startProxy(t, store.Addr()), registry: prometheus.NewRegistry(),
		streams: kurrentsimtest.OpenClient(t, store.URL()),
	}
	pool := openPool(t, address.String(), patience)
	r.ledger, r.fulfillments = postgres.NewEmailLedger(pool, postgres.EmailRules{}), postgres.NewFulfillments(pool, postgres.EmailRules{})
	r.conn, err = pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.conn.Close(canceled()) })
	queue := r.openProvider()
	address.Host = r.database.Addr()
	r.consumer = &emailevents.Consumer{
		Queue: queue, Ledger: postgres.NewEmailLedger(openPool(t, address.String(), time.Second), postgres.EmailRules{}),
		Publisher: streams.Emails{Client: kurrentsimtest.OpenClient(t, kurrentsimtest.URL(r.events.Addr()))},
		Metrics:   emailevents.NewMetrics(r.registry), Logger: slog.New(slog.DiscardHandler),
		ConfigurationSet: "orders",
	}
	return r
}

func startProxy(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Start(target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// openPool opens a pool whose calls take no longer than a time.
func openPool(t *testing.T, address string, most time.Duration) *postgres.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: address, MaxConns: 2, CallTimeout: most})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// canceled returns a canceled context, for calls that must not wait.
func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// endpoints guards the variables with the endpoints' URLs, which the SDK reads only from
// the process environment.
var endpoints sync.Mutex

// openProvider opens the mailer and the queue of the stand-in.
func (r *rig) openProvider() *ses.Queue {
	r.t.Helper()
	endpoints.Lock()
	defer endpoints.Unlock()
	_ = os.Setenv("AWS_ENDPOINT_URL_SESV2", r.sim.URL())
	_ = os.Setenv("AWS_ENDPOINT_URL_SQS", r.sim.URL())
	var err error
	r.mailer, err = ses.Open(r.t.Context(), ses.Config{From: "shop@example.com", ConfigurationSet: "orders"})
	require.NoError(r.t, err)
	queue, err := ses.OpenQueue(r.t.Context(), ses.QueueConfig{URL: r.sim.QueueURL()})
	require.NoError(r.t, err)
	return queue
}

// consume runs the consumer until the test ends.
func (r *rig) consume() {
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.consumer.Run(ctx)
	}()
	r.t.Cleanup(func() {
		cancel()
		<-done
	})
}

func (r *rig) send(orderID string) email.Status { return r.sendTo(orderID, "ada@example.com") }

// sendTo places an order and sends its confirmation, as SendEmail does. It returns the
// status in the ledger after the attempt, if there was one.
func (r *rig) sendTo(orderID, address string) email.Status {
	r.t.Helper()
	total := order.Money{Minor: 18_00, Currency: "USD"}
	_, err := r.fulfillments.StartFulfillment(r.t.Context(), fulfillment.Start{Source: order.Source{EventID: "event-1"}, Order: order.Placed{
		OrderID: orderID, CustomerID: "customer-7", Total: total, PlacedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC), Email: address,
		Lines: []order.Line{{No: 1, ProductID: "1", ProductName: "Lamp", Quantity: 1, UnitPrice: "18.00", TaxRate: "0", Total: total}},
	}})
	require.NoError(r.t, err)
	claim := r.claim(orderID)
	if claim.Status != email.StatusSending {
		return claim.Status
	}
	claim.Letter.Attempt = claim.Attempt
	outcome := email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: claim.Attempt, Status: email.StatusSent}
	if outcome.MessageID, err = r.mailer.Send(r.t.Context(), claim.Letter); err != nil {
		outcome.Status = email.StatusUnknown
	}
	status, err := r.ledger.SettleEmail(r.t.Context(), outcome)
	require.NoError(r.t, err)
	return status
}

func (r *rig) claim(orderID string) email.Claim {
	r.t.Helper()
	claim, err := r.ledger.ClaimEmail(r.t.Context(), orderID, email.KindConfirmation)
	require.NoError(r.t, err)
	return claim
}

// awaitMail waits for the status and the progress of a confirmation.
func (r *rig) awaitMail(orderID, want string) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		var status, progress string
		require.NoError(c, r.conn.QueryRow(r.t.Context(),
			"SELECT status, coalesce(progress, '-') FROM email_delivery WHERE order_id = $1", orderID).Scan(&status, &progress))
		require.Equal(c, want, status+" "+progress)
	}, patience, tick)
}

func (r *rig) awaitEmptyQueue() {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		visible, inFlight := r.sim.Queued(sessim.EventsQueue)
		require.Zero(c, visible+inFlight)
	}, patience, tick)
}

// awaitEvents waits until as many messages had a result.
func (r *rig) awaitEvents(result string, want float64) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		families, err := r.registry.Gather()
		require.NoError(c, err)
		var sum float64
		for _, family := range families {
			for _, m := range family.GetMetric() {
				for _, label := range m.GetLabel() {
					if family.GetName() == "orderflow_email_events_total" && label.GetName() == "result" && label.GetValue() == result {
						sum += m.GetCounter().GetValue()
					}
				}
			}
		}
		require.InDelta(c, want, sum, 0)
	}, patience, tick)
	problems, err := testutil.GatherAndLint(r.registry)
	require.NoError(r.t, err)
	require.Empty(r.t, problems)
}

// expireVisibility makes the events visible that were in hand when a store failed.
func (r *rig) expireVisibility() {
	r.sim.ExpireVisibility()
}

// published returns the types of the order's email events. None of them has the address.
func (r *rig) published(orderID string) (types []string) {
	r.t.Helper()
	err := r.streams.ReadStream(r.t.Context(), email.Stream(orderID), 0, 0, func(e kurrent.Event) error {
		types = append(types, e.Type)
		if text := fmt.Sprintf("%s %s", e.Data, e.Metadata); strings.Contains(text, "@") {
			return fmt.Errorf("%s has an address", text)
		}
		return nil
	})
	if !kurrent.IsGone(err) {
		require.NoError(r.t, err)
	}
	return types
}

func (r *rig) awaitPublished(orderID string, want ...string) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return fmt.Sprint(r.published(orderID)) == fmt.Sprint(want) }, patience, tick)
}
