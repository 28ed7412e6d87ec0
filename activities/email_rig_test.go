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
	waitLong = 90 * time.Second // generous: takes milliseconds on an idle machine
	waitTick = 5 * time.Millisecond
)

// emailRig is the email environment of one test: a real ledger and the real SDK, each
// behind its own proxy, with one order whose confirmation is due.
type emailRig struct {
	t                  *testing.T
	sim                *sessim.Server
	mailProxy, dbProxy *faultproxy.Proxy
	config             attemptConfig // of an attempt through the proxies
	ledger             *postgres.EmailLedger
	fulfillments       *postgres.Fulfillments
	conn               *pgx.Conn
}

// attemptConfig is the configuration of an attempt, in this process or in one that is
// killed.
type attemptConfig struct {
	DatabaseURL, MailURL string
	Policy               email.Policy
	Lease, Grace         time.Duration
	StoreTimeout         time.Duration
	MailTimeout          time.Duration
}

func newEmailRig(t *testing.T, c attemptConfig) *emailRig {
	t.Helper()
	t.Parallel()
	sim, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { _ = sim.Stop(canceledContext()) })
	directURL, err := url.Parse(servers.Database(t))
	require.NoError(t, err)
	r := &emailRig{t: t, sim: sim, mailProxy: startProxy(t, strings.TrimPrefix(sim.URL(), "http://")), dbProxy: startProxy(t, directURL.Host)}
	proxiedURL := *directURL
	proxiedURL.Host = r.dbProxy.Addr()
	r.config = c.withDefaults(proxiedURL.String(), "http://"+r.mailProxy.Addr())
	direct := r.config
	direct.DatabaseURL = directURL.String()
	pool := direct.openPool(t.Context())
	t.Cleanup(pool.Close)
	r.ledger = postgres.NewEmailLedger(pool, direct.rules())
	r.fulfillments = postgres.NewFulfillments(pool, direct.rules())
	r.conn, err = pgx.Connect(t.Context(), directURL.String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.conn.Close(canceledContext()) })
	_, err = r.fulfillments.StartFulfillment(t.Context(), fulfillment.Start{Source: order.Source{EventID: "event-1"}, Order: order.Placed{
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
	p, err := faultproxy.Start(target)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return p
}

// canceledContext returns a canceled context, for calls that must not wait.
func canceledContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func (c attemptConfig) rules() postgres.EmailRules {
	return postgres.EmailRules{Unknown: c.Policy, Grace: c.Grace, Lease: c.Lease}
}

func (c attemptConfig) openPool(ctx context.Context) *postgres.Pool {
	pool, err := postgres.Open(ctx, postgres.Config{URL: c.DatabaseURL, MaxConns: 2, CallTimeout: c.StoreTimeout})
	if err != nil {
		panic(err)
	}
	return pool
}

// endpointEnvironment guards the variable with the endpoint's URL, which the SDK reads
// only from the process environment.
var endpointEnvironment sync.Mutex

func (c attemptConfig) openMailer(ctx context.Context) *ses.Mailer {
	endpointEnvironment.Lock()
	defer endpointEnvironment.Unlock()
	_ = os.Setenv("AWS_ENDPOINT_URL_SESV2", c.MailURL)
	mailer, err := ses.Open(ctx, ses.Config{From: "shop@example.com", Timeout: c.MailTimeout})
	if err != nil {
		panic(err)
	}
	return mailer
}

type discardMeter struct{}

func (discardMeter) EmailSettled(email.Kind, email.Status) {}

// attempt runs SendEmail once, as a worker would.
func (c attemptConfig) attempt(ctx context.Context) (result activities.EmailResult, err error) {
	pool := c.openPool(ctx)
	context.AfterFunc(ctx, pool.Close) // Close waits for a connection that a proxy stalls
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(&activities.Activities{
		Emails: postgres.NewEmailLedger(pool, c.rules()), Mailer: c.openMailer(ctx), Meter: discardMeter{},
	})
	value, err := env.ExecuteActivity("SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

func (r *emailRig) attempt() (activities.EmailResult, error) { return r.config.attempt(r.t.Context()) }

// withoutProxies returns the configuration of an attempt that uses neither proxy.
func (r *emailRig) withoutProxies() attemptConfig {
	c := r.config
	address, err := url.Parse(c.DatabaseURL)
	require.NoError(r.t, err)
	directURL, err := url.Parse(servers.Postgres(r.t).URL)
	require.NoError(r.t, err)
	address.Host = directURL.Host
	c.DatabaseURL, c.MailURL = address.String(), r.sim.URL()
	return c
}

// row returns the confirmation's row in the ledger: status, attempt, unknown attempts,
// number of message ids, error code.
func (r *emailRig) row() string {
	r.t.Helper()
	return r.rowFor(r.t)
}

func (r *emailRig) rowFor(t require.TestingT) string {
	var status, code string
	var attempt, unknown, ids int
	require.NoError(t, r.conn.QueryRow(r.t.Context(), `SELECT status, attempt, unknown_attempts,
		(message_id IS NOT NULL)::integer + cardinality(late_message_ids), coalesce(error_code, '-') FROM email_delivery`).
		Scan(&status, &attempt, &unknown, &ids, &code))
	return fmt.Sprintf("%s|%d|%d|%d|%s", status, attempt, unknown, ids, code)
}

// advanceAnHour moves the ledger's times back by an hour.
func (r *emailRig) advanceAnHour() {
	r.t.Helper()
	_, err := r.conn.Exec(r.t.Context(), "UPDATE email_delivery SET lease_until = lease_until - interval '1 hour', unknown_at = unknown_at - interval '1 hour'")
	require.NoError(r.t, err)
}

func (r *emailRig) eventually(what string, condition func() bool) {
	r.t.Helper()
	require.Eventually(r.t, condition, waitLong, waitTick, what)
}

func (r *emailRig) awaitRow(want string) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) { require.Equal(c, want, r.rowFor(c)) }, waitLong, waitTick)
}

// childVariable makes the test binary run one attempt, in a process that can be stopped
// and killed.
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

// child is an attempt in a separate process.
type child struct {
	cmd *exec.Cmd
	out bytes.Buffer
}

func (r *emailRig) startChild() *child {
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
