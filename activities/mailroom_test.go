package activities_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"orderflow/activities"
	"orderflow/dev/faultproxy"
	"orderflow/dev/sessim"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/ses"
)

const (
	waitLong = 90 * time.Second // for what happens soon on a machine that has nothing else to do
	waitTick = 5 * time.Millisecond
)

// room is one test's mail: a real ledger and the real SDK, each behind a proxy of its own, with one order whose confirmation
// is due.
type room struct {
	t          *testing.T
	sim        *sessim.Server
	mail, base *faultproxy.Proxy
	config     attemptConfig // of an attempt through the proxies
	ledger     *postgres.Store
	conn       *pgx.Conn
}

// attemptConfig is what an attempt needs, in this process or in one that is killed.
type attemptConfig struct {
	DatabaseURL, MailURL string
	Policy               email.Policy
	Lease, Grace         time.Duration
	StoreTimeout         time.Duration
	MailTimeout          time.Duration
}

var rooms atomic.Int64

func newRoom(t *testing.T, c attemptConfig) *room {
	t.Helper()
	t.Parallel()
	sim, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Stop(gone()) })
	name := fmt.Sprintf("room_%d", rooms.Add(1))
	require.NoError(t, createDatabase(t.Context(), name, templateDatabase))
	straight, err := url.Parse(databaseURL(name, ""))
	require.NoError(t, err)
	r := &room{t: t, sim: sim, mail: startProxy(t, strings.TrimPrefix(sim.URL(), "http://")), base: startProxy(t, straight.Host)}
	r.config = c.withDefaults(databaseURL(name, r.base.Addr()), "http://"+r.mail.Addr())
	direct := r.config
	direct.DatabaseURL = straight.String()
	r.ledger = direct.openLedger(t.Context())
	t.Cleanup(r.ledger.Close)
	r.conn, err = pgx.Connect(t.Context(), straight.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.conn.Close(gone()) })
	_, err = r.ledger.StartFulfillment(t.Context(), fulfillment.Start{SourceEventID: "event-1", Order: order.Placed{
		OrderID: orderID, CustomerID: "customer-7", Total: total, PlacedAt: time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC),
		Email: "ada@example.com", Lines: []order.Line{{No: 1, ProductID: "1", ProductName: "Lamp", Quantity: 1, UnitPrice: "18.00", TaxRate: "0", Total: total}},
	}})
	require.NoError(t, err)
	return r
}

func (c attemptConfig) withDefaults(databaseURL, mailURL string) attemptConfig {
	c.DatabaseURL, c.MailURL, c.Policy = databaseURL, mailURL, cmp.Or(c.Policy, email.PolicyResend)
	c.Lease, c.Grace = cmp.Or(c.Lease, 30*time.Minute), cmp.Or(c.Grace, 5*time.Minute)
	c.StoreTimeout, c.MailTimeout = cmp.Or(c.StoreTimeout, 20*time.Second), cmp.Or(c.MailTimeout, waitLong)
	return c
}

func startProxy(t *testing.T, target string) *faultproxy.Proxy {
	t.Helper()
	d, err := faultproxy.Start(target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// gone is a context that waits for nobody.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (c attemptConfig) openLedger(ctx context.Context) *postgres.Store {
	store, err := postgres.Open(ctx, postgres.Config{
		URL: c.DatabaseURL, MaxConns: 2, CallTimeout: c.StoreTimeout, Unknown: c.Policy, Grace: c.Grace, Lease: c.Lease,
	})
	if err != nil {
		panic(err)
	}
	return store
}

// environment guards the variable that names the endpoint, which the SDK reads from the process alone.
var environment sync.Mutex

func (c attemptConfig) openMailer(ctx context.Context) *ses.Mailer {
	environment.Lock()
	defer environment.Unlock()
	_ = os.Setenv("AWS_ENDPOINT_URL_SESV2", c.MailURL)
	mailer, err := ses.Open(ctx, ses.Config{From: "shop@example.com", Timeout: c.MailTimeout})
	if err != nil {
		panic(err)
	}
	return mailer
}

type noMeter struct{}

func (noMeter) EmailSettled(email.Kind, email.Status) {}

// attempt runs SendEmail once, as a worker would.
func (c attemptConfig) attempt(ctx context.Context) (result activities.EmailResult, err error) {
	ledger := c.openLedger(ctx)
	context.AfterFunc(ctx, ledger.Close) // closing waits for a connection that is held at a proxy
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(&activities.Activities{Emails: ledger, Mailer: c.openMailer(ctx), Meter: noMeter{}})
	value, err := env.ExecuteActivity("SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

func (r *room) attempt() (activities.EmailResult, error) { return r.config.attempt(r.t.Context()) }

// around gives an attempt that meets neither proxy.
func (r *room) around() attemptConfig {
	c := r.config
	address, err := url.Parse(c.DatabaseURL)
	require.NoError(r.t, err)
	straight, err := url.Parse(cluster.URL)
	require.NoError(r.t, err)
	address.Host = straight.Host
	c.DatabaseURL, c.MailURL = address.String(), r.sim.URL()
	return c
}

// row is the confirmation in the ledger: status, attempt, unknown attempts, how many message ids, error code.
func (r *room) row() string {
	r.t.Helper()
	return r.rowFor(r.t)
}

func (r *room) rowFor(t require.TestingT) string {
	var status, code string
	var attempt, unknown, ids int
	require.NoError(t, r.conn.QueryRow(r.t.Context(), `SELECT status, attempt, unknown_attempts,
		(message_id IS NOT NULL)::integer + cardinality(late_message_ids), coalesce(error_code, '-') FROM email_delivery`).
		Scan(&status, &attempt, &unknown, &ids, &code))
	return fmt.Sprintf("%s|%d|%d|%d|%s", status, attempt, unknown, ids, code)
}

// elapse lets an hour go by for the ledger.
func (r *room) elapse() {
	r.t.Helper()
	_, err := r.conn.Exec(r.t.Context(), "UPDATE email_delivery SET lease_until = lease_until - interval '1 hour', unknown_at = unknown_at - interval '1 hour'")
	require.NoError(r.t, err)
}

func (r *room) eventually(what string, condition func() bool) {
	r.t.Helper()
	require.Eventually(r.t, condition, waitLong, waitTick, what)
}

func (r *room) awaitRow(want string) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) { require.Equal(c, want, r.rowFor(c)) }, waitLong, waitTick)
}

// childVariable makes the test's program one attempt, which can be stopped and killed.
const childVariable = "ORDERFLOW_TEST_ATTEMPT"

func runChild(script string) int {
	var c attemptConfig
	if err := json.Unmarshal([]byte(script), &c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	result, err := c.attempt(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(result)
	return 0
}

// child is an attempt in a process of its own.
type child struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func (r *room) startChild() *child {
	r.t.Helper()
	script, err := json.Marshal(r.config)
	require.NoError(r.t, err)
	program, err := os.Executable()
	require.NoError(r.t, err)
	c := &child{cmd: exec.CommandContext(r.t.Context(), program)}
	c.cmd.Env = append(os.Environ(), childVariable+"="+string(script))
	c.cmd.Stdout, c.cmd.Stderr = &c.out, &c.out
	require.NoError(r.t, c.cmd.Start())
	return c
}
