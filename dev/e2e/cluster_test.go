package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/programs"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// clusterRig is a stack whose servers are clusters, as far as this machine has them: a
// real PostgreSQL with a synchronous standby, a real Temporal server under two addresses
// with TLS and an API key, and one kurrentsim under the addresses of three nodes. Orders
// are placed all the time.
type clusterRig struct {
	*stackClient // connected to the servers themselves
	events       *kurrentsimtest.Cluster
	frontends    *frontends

	primary, standby *devserver.Postgres

	mu     sync.Mutex
	placed []orderSpec // the api has confirmed them
}

func newClusterRig(t *testing.T) *clusterRig {
	t.Helper()
	r := &clusterRig{events: kurrentsimtest.StartCluster(t, 3)}
	temporal, err := devserver.StartTemporal(t.Context(), devserver.TemporalOptions{
		CLIPath: filepath.Join(binaries, "temporal"), Headless: true, SearchAttributes: workflows.SearchAttributes(),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = stopBriefly(temporal.Stop) })
	r.frontends, err = startFrontends(t.TempDir(), temporal.Address)
	t.Cleanup(func() { require.NoError(t, r.frontends.close()) })
	require.NoError(t, err)
	hosts := r.startPostgres(t)
	environ := append([]string{
		"KURRENTDB_URL=" + r.events.URL() + "&keepAliveTimeout=2000", "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL=" + hosts,
		"EMAIL_UNKNOWN_GRACE=1s", // the primary may die between a send and its record
	}, r.frontends.environ()...)
	own, err := startStack(t.TempDir(), environ, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop(), "%s", own.log) })
	r.stackClient = newStackClientFor(t, own.ledTo(programs.Servers{
		Temporal: temporal.Address, KurrentDB: r.events.Store.URL(), Postgres: r.primary.URL, SES: own.SESURL,
	}))
	return r
}

// startPostgres starts a primary that commits nothing before its standby has it, and
// returns the URL with both hosts.
func (r *clusterRig) startPostgres(t *testing.T) (hosts string) {
	t.Helper()
	start := func(standbyOf string) *devserver.Postgres {
		server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
			Dir: t.TempDir(), Fast: true, StandbyOf: standbyOf,
			Settings: map[string]string{"synchronous_commit": "on"}, // Fast turns it off, and then no commit waits for the standby
		})
		require.NoError(t, err)
		t.Cleanup(func() { _ = stopBriefly(server.Stop) })
		return server
	}
	r.primary = start("")
	r.standby = start(r.primary.URL)
	conn, err := pgx.Connect(t.Context(), r.primary.URL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	for _, statement := range []string{`ALTER SYSTEM SET synchronous_standby_names = '*'`, `SELECT pg_reload_conf()`} {
		_, err = conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var synchronous int
		require.NoError(c, conn.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'`).Scan(&synchronous))
		require.Equal(c, 1, synchronous)
	}, patience, 10*time.Millisecond)
	address, err := url.Parse(r.primary.URL)
	require.NoError(t, err)
	second, err := url.Parse(r.standby.URL)
	require.NoError(t, err)
	address.Host += "," + second.Host
	query := address.Query()
	query.Set("target_session_attrs", "read-write")
	address.RawQuery = query.Encode()
	return address.String()
}

// stopBriefly stops a server whose data is not needed any more.
func stopBriefly(stop func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return stop(ctx)
}

// kill ends a server as a crash does.
func kill(stop func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = stop(ctx)
}

// keepPlacing places orders over HTTP until the returned function is called. A request
// without a confirmation is repeated with the same order.
func (r *clusterRig) keepPlacing() (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			r.placeConfirmed(orderSpec{}.complete())
			select {
			case <-ctx.Done():
			case <-time.After(300 * time.Millisecond): // the load, not a wait
			}
		}
	})
	return func() {
		cancel()
		group.Wait()
	}
}

func (r *clusterRig) placeConfirmed(b orderSpec) {
	for r.t.Context().Err() == nil {
		code, _, err := r.ask(http.MethodPost, "/orders", b.body())
		if err == nil && (code == http.StatusCreated || code == http.StatusOK) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.placed = append(r.placed, b)
			return
		}
	}
}

// requireService makes something fail and places an order then, waits until every binary
// has done its part, and logs how long each took since the failure.
func (r *clusterRig) requireService(failure string, fail func()) {
	r.t.Helper()
	b, began := orderSpec{}.complete(), time.Now()
	fail()
	var took []string
	done := func(binary string) {
		took = append(took, fmt.Sprintf("%s %.1f s", binary, time.Since(began).Seconds()))
	}
	r.placeConfirmed(b)
	done("api")
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		_, err := r.temporal.DescribeWorkflow(r.t.Context(), b.id, "")
		require.NoError(c, err)
	}, patience, 20*time.Millisecond)
	done("starter")
	// A query would wait for a worker that polls the sticky queue, and show that instead.
	require.Eventually(r.t, func() bool { return len(r.mails(b.id)) > 0 }, patience, 20*time.Millisecond)
	done("worker")
	require.EventuallyWithT(r.t, func(c *assert.CollectT) { require.Equal(c, 1, r.publishedCount(b.id)) }, patience, 20*time.Millisecond)
	done("publisher")
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		code, body, err := r.ask(http.MethodGet, "/customers/"+b.customer, nil)
		require.NoError(c, err)
		require.Equal(c, http.StatusOK, code)
		require.Contains(c, string(body), `"fulfilling"`)
	}, patience, 20*time.Millisecond)
	done("projector")
	r.t.Logf("%s: %s", failure, strings.Join(took, ", "))
}

func (r *clusterRig) publishedCount(id string) (count int) {
	events, err := r.stackClient.events.ReadStream(r.t.Context(), "fulfillment-"+id, kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 100)
	if err != nil {
		return 0
	}
	defer events.Close()
	for ; ; count++ {
		if _, err := events.Recv(); err != nil {
			return count
		}
	}
}

// operations returns the address of a binary's operations server.
func (r *clusterRig) operations(binary string) string {
	r.t.Helper()
	log, err := os.ReadFile(filepath.Join(r.stack.dir, "log", binary+".log"))
	require.NoError(r.t, err)
	found := regexp.MustCompile(`msg="serving operations".* address=(\S+)`).FindSubmatch(log)
	require.NotNil(r.t, found, "%s", log)
	return string(found[1])
}

// page returns a page of a binary's operations server.
func (r *clusterRig) page(binary, path string) (status int, body string, err error) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.operations(binary)+path, nil)
	if err != nil {
		return 0, "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	return response.StatusCode, string(read), err
}

func (r *clusterRig) awaitReadiness(binary string, status int, words string) {
	r.t.Helper()
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		found, body, err := r.page(binary, "/readyz")
		require.NoError(c, err)
		require.Equal(c, status, found, body)
		require.Contains(c, body, words)
	}, patience, 50*time.Millisecond)
}

// requireConsistent ships every order and requires that the checker finds nothing.
func (r *clusterRig) requireConsistent() {
	r.t.Helper()
	r.stack = r.stack.ledTo(programs.Servers{Postgres: r.standby.URL})
	for _, b := range r.placed {
		r.awaitMail(b.id, order.StatusFulfilling, "sent")
		require.EventuallyWithT(r.t, func(c *assert.CollectT) {
			require.NoError(c, r.temporal.SignalWorkflow(r.t.Context(), b.id, "", "record-shipment", json.RawMessage(shipped)))
		}, patience, time.Millisecond)
	}
	for _, b := range r.placed {
		r.awaitMail(b.id, order.StatusShipped, "sent")
	}
	require.EventuallyWithT(r.t, func(c *assert.CollectT) { // the last versions may not have been published yet
		said, err := r.check()
		require.NoError(c, err, said)
	}, patience, 500*time.Millisecond)
	var rows int
	conn, err := pgx.Connect(r.t.Context(), r.standby.URL)
	require.NoError(r.t, err)
	err = conn.QueryRow(r.t.Context(), `SELECT count(*) FROM order_fulfillment WHERE status = 'shipped'`).Scan(&rows)
	require.NoError(r.t, errors.Join(err, conn.Close(r.t.Context())))
	require.Equal(r.t, len(r.placed), rows)
	for _, b := range r.placed {
		require.Equal(r.t, 2, r.publishedCount(b.id), "order-approved and order-shipped, each once")
	}
	r.t.Logf("%d orders", rows)
}

// check runs the checker on the servers themselves.
func (r *clusterRig) check() (said string, err error) {
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	both, err := r.stack.command(ctx, "checker", "-publisher", "-view").CombinedOutput()
	return string(both), err
}

// Every server fails over under load, one after the other, and no process is restarted.
func TestClusters_FailOverUnderLoad(t *testing.T) {
	t.Parallel()
	r := newClusterRig(t)
	stop := r.keepPlacing()
	r.requireService("nothing fails", func() {})

	r.requireService("the process of KurrentDB's leading node dies", func() {
		r.events.Stop(0)
		r.events.Elect(1)
	})
	r.requireService("the machine of KurrentDB's leading node vanishes", func() {
		r.events.Vanish(1)
		r.events.Elect(2)
	})
	r.events.Return(0)
	r.events.Return(1)

	r.requireService("Temporal's name leads to another address", r.frontends.move)
	require.Positive(t, r.frontends.on[1].Count("WorkflowService/StartWorkflowExecution"))
	r.requireService("the client certificate is renewed", func() {
		require.NoError(t, r.frontends.renewClientCertificate())
		r.frontends.name.Cut()
	})
	canceled := r.revokeKey()
	r.requireService("the API key is accepted again", func() { r.frontends.accept(firstKey) })
	for _, binary := range []string{"worker", "starter", "api"} {
		r.awaitReadiness(binary, http.StatusOK, `"temporal":"ok"`)
	}
	r.awaitStatus(canceled, order.StatusCancelled)

	r.requireService("PostgreSQL's primary is killed and its standby promoted", func() {
		kill(r.primary.Stop)
		require.NoError(t, r.standby.Promote(t.Context()))
	})
	stop()
	r.requireConsistent()
}

// revokeKey makes Temporal refuse the API key, requires that each binary says so, and
// returns an order whose cancellation was accepted meanwhile.
func (r *clusterRig) revokeKey() (canceled string) {
	r.t.Helper()
	b := orderSpec{}.complete()
	code, body := r.request(http.MethodPost, "/orders", b.body())
	require.Equal(r.t, http.StatusCreated, code, string(body))
	r.awaitStatus(b.id, order.StatusFulfilling)
	r.frontends.accept("second-key")
	const refused = "the server refuses the credentials for namespace default"
	r.awaitReadiness("worker", http.StatusServiceUnavailable, refused)
	r.awaitReadiness("starter", http.StatusServiceUnavailable, refused)
	r.awaitReadiness("api", http.StatusOK, refused) // it serves what needs no Temporal
	code, body = r.request(http.MethodPost, "/orders/"+b.id+"/cancel", map[string]any{"reason": "customer-request"})
	require.Equal(r.t, http.StatusAccepted, code, string(body))
	_, metrics, err := r.page("worker", "/metrics")
	require.NoError(r.t, err)
	require.Regexp(r.t, `temporal_long_request_failure_total\{[^}]*\} [1-9]`, metrics, "polling is retried")
	return b.id
}
