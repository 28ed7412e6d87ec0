package postgres_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

func TestOpen_WithoutServer(t *testing.T) {
	t.Parallel()
	port := devservertest.Port(t) // nobody listens there, and nobody will
	store, err := openStores(t.Context(), postgres.Config{
		URL: fmt.Sprintf("postgres://someone:hush@127.0.0.1:%d/orderflow?sslmode=disable", port),
	})
	require.NoError(t, err)
	defer store.Close()

	_, err = store.StartFulfillment(t.Context(), start())

	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.ErrorContains(t, err, "connection refused")
	require.NotContains(t, err.Error(), "hush")
	require.ErrorIs(t, store.Ping(t.Context()), postgres.ErrUnavailable)
}

func TestOpen_HidesMalformedURL(t *testing.T) {
	t.Parallel()
	const url = "postgres://someone:hush@127.0.0.1:not-a-port/orderflow"
	_, err := openStores(t.Context(), postgres.Config{URL: url})
	require.ErrorContains(t, err, "POSTGRES_URL: must be a connection string")
	require.NotContains(t, err.Error(), "hush")
	err = postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler))
	require.NotContains(t, err.Error(), "hush")
}

func TestOpen_PlaintextToAnotherMachine(t *testing.T) {
	t.Parallel()
	const refused, warned, fine = "refused", "warned", ""
	for url, want := range map[string]string{
		"postgres://u:hush@db.example.com/orderflow":                       refused,
		"postgres://u:hush@db.example.com/orderflow?sslmode=prefer":        refused,
		"postgres://u:hush@db.example.com/orderflow?sslmode=allow":         refused,
		"postgres://u:hush@127.0.0.1,db.example.com/orderflow":             refused,
		"postgres://u:hush@db.example.com/orderflow?sslmode=disable":       warned,
		"postgres://u:hush@db.example.com/orderflow?sslmode=require":       fine,
		"postgres://u:hush@127.0.0.1/orderflow?sslmode=disable":            fine,
		"postgres://u:hush@localhost/orderflow":                            fine,
		"postgres:///orderflow?host=/var/run/postgresql&user=u":            fine,
		"postgres://u:hush@[::1]/orderflow":                                fine,
		"postgres://u:hush@db.example.com,127.0.0.1/o?sslmode=verify-full": fine,
	} {
		var said bytes.Buffer
		store, err := openStores(t.Context(), postgres.Config{URL: url, Logger: slog.New(slog.NewTextHandler(&said, nil))})
		if want == refused {
			require.ErrorContains(t, err, "POSTGRES_URL: would go on without TLS", url)
			require.ErrorContains(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)), "without TLS", url)
			require.NotContains(t, err.Error(), "hush")
			continue
		}
		require.NoError(t, err)
		store.Close()
		require.Equal(t, want == warned, bytes.Contains(said.Bytes(), []byte("unencrypted")), url)
	}
}

func TestError_NamesConstraintAndNoValues(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	bad := start()
	bad.Order.Lines[0].Quantity = 0

	_, err := w.StartFulfillment(t.Context(), bad)

	require.ErrorIs(t, err, fulfillment.ErrInvalid)
	require.EqualError(t, err, "start fulfillment: fulfillment cannot be stored (23514, order_fulfillment_line_quantity_check)")
	var typed *postgres.Error
	require.ErrorAs(t, err, &typed)
	require.Empty(t, w.rows("SELECT 1 FROM order_fulfillment"), "nothing is half written")
}

func TestCallTimeout_WhileRowIsLocked(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	hasty := w.hasty(200*time.Millisecond, 1)
	require.NoError(t, w.exec("BEGIN; SELECT FROM order_fulfillment FOR UPDATE"))
	begun := time.Now()

	_, err := hasty.CloseFulfillment(t.Context(), shipped())

	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.Less(t, time.Since(begun), 10*time.Second)
	require.NoError(t, w.exec("ROLLBACK"))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		row, err := hasty.CloseFulfillment(t.Context(), shipped())
		require.NoError(c, err)
		require.Equal(c, order.StatusShipped, row.Status, "the pool goes on")
	}, patience, 10*time.Millisecond)
}

func TestStore_CanceledCall(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()

	_, err := w.StartFulfillment(ctx, start())

	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, postgres.ErrUnavailable)
}

func TestPool_ExhaustedIsUnavailableAtDeadline(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	hasty := w.hasty(500*time.Millisecond, 1)
	require.NoError(t, w.exec("BEGIN; SELECT FROM order_fulfillment FOR UPDATE"))
	inParallel(t, 4, func(int) error {
		_, err := hasty.CloseFulfillment(t.Context(), shipped())
		return unavailable(err)
	})
	require.NoError(t, w.exec("ROLLBACK"))
}

func TestPool_ReplacesConnectionsEndedByServer(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	require.NoError(t, w.exec("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))
	require.Eventually(t, func() bool {
		row, err := w.FindFulfillment(t.Context(), orderID)
		return err == nil && row.Status == order.StatusFulfilling
	}, patience, 10*time.Millisecond)
}

// conflictFor makes the next n inserts of an order fail with a code, counted by a
// sequence, which no rollback takes back.
func conflictFor(w *world, code string, n int) {
	require.NoError(w.t, w.exec(`CREATE SEQUENCE conflicts`))
	require.NoError(w.t, w.exec(fmt.Sprintf(`CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('conflicts') <= %d THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '%s'; END IF;
			RETURN NEW;
		END $$`, n, code)))
	require.NoError(w.t, w.exec(`CREATE TRIGGER conflict BEFORE INSERT ON order_fulfillment FOR EACH ROW EXECUTE FUNCTION conflict()`))
}

func TestTransaction_RepeatedAfterConflict(t *testing.T) {
	for _, code := range []string{"40001", "40P01"} {
		t.Run(code, func(t *testing.T) {
			w := newWorldToChange(t, postgres.Config{})
			conflictFor(w, code, 3)
			require.Equal(t, order.StatusFulfilling, w.start().Status)
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_line"), 2)
			require.NoError(t, testutil.CollectAndCompare(w.Collector(), strings.NewReader(`
				# HELP orderflow_postgres_conflicts_total Transactions that were repeated because they were aborted in favor of another.
				# TYPE orderflow_postgres_conflicts_total counter
				orderflow_postgres_conflicts_total 3
				# HELP orderflow_postgres_connections_max Size of the pool of connections to PostgreSQL.
				# TYPE orderflow_postgres_connections_max gauge
				orderflow_postgres_connections_max 4
			`), "orderflow_postgres_conflicts_total", "orderflow_postgres_connections_max"))
			problems, err := testutil.CollectAndLint(w.Collector())
			require.NoError(t, err)
			require.Empty(t, problems)
		})
	}
}

func TestTransaction_RepeatedConflictIsUnavailable(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	conflictFor(w, "40001", 1000)
	_, err := w.StartFulfillment(t.Context(), start())
	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.Equal(t, []string{"5"}, w.rows("SELECT last_value FROM conflicts"), "a bounded number of times")
}

func TestStore_MissingTableIsUnavailable(t *testing.T) {
	t.Parallel()
	store, err := openStores(t.Context(), postgres.Config{URL: servers.DatabaseFrom(t, "template1")})
	require.NoError(t, err)
	defer store.Close()

	_, err = store.StartFulfillment(t.Context(), start())

	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.ErrorContains(t, err, "42P01")
}

func TestPrepareSession_SetsLimitsAndName(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{ApplicationName: "worker-of-this-test", CallTimeout: 30 * time.Second})
	require.NoError(t, w.exec("ALTER DATABASE "+w.rows("SELECT current_database()")[0]+" SET default_transaction_isolation = 'serializable'"))
	require.NoError(t, w.exec(`CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			CREATE TABLE seen AS SELECT name, setting FROM pg_settings;
			RETURN NULL;
		END $$`))
	require.NoError(t, w.exec("CREATE TRIGGER remember AFTER INSERT ON order_fulfillment FOR EACH STATEMENT EXECUTE FUNCTION remember()"))
	w.start()
	require.Equal(t, []string{
		"TimeZone|UTC", "application_name|worker-of-this-test", "idle_in_transaction_session_timeout|30000", "lock_timeout|30000",
		"search_path|public", "statement_timeout|30000", "transaction_isolation|read committed",
	}, w.rows(`SELECT name, setting FROM seen WHERE name IN ('application_name', 'statement_timeout', 'lock_timeout', 'TimeZone',
		'idle_in_transaction_session_timeout', 'transaction_isolation', 'search_path') ORDER BY name COLLATE "C"`))
}
