package e2e_test

import (
	"bytes"
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/config"
	"orderflow/internal/order"
)

// poolerRig is a stack whose worker and api connect to PostgreSQL through a PgBouncer in
// transaction mode with few connections.
type poolerRig struct {
	*stackClient
	pooled string // URL
}

func newPoolerRig(t *testing.T) *poolerRig {
	t.Helper()
	database, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: filepath.Join(t.TempDir(), "postgres"), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, database.Stop(context.Background())) })
	pooled := devservertest.PgBouncer(t, database.URL, map[string]string{"default_pool_size": "3"})
	own, err := startStackWith(stackOptions{
		dir: t.TempDir(), environ: []string{"POSTGRES_URL=" + database.URL}, secure: *secureSuite, args: []string{"--rate", "0"},
		own: map[string][]string{"worker": {"POSTGRES_URL=" + pooled}, "api": {"POSTGRES_URL=" + pooled}},
	})
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, own.stop(), "%s", own.log) })
	return &poolerRig{stackClient: newStackClientFor(t, own), pooled: pooled}
}

// run runs a program with the pooler's URL, and returns its output and exit code.
func (r *poolerRig) run(line string) (said string, code int) {
	r.t.Helper()
	words := strings.Fields(line)
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	command := r.stack.command(ctx, words[0], words[1:]...)
	command.Env = append(command.Env, "POSTGRES_URL="+r.pooled, "OPS_ADDR=127.0.0.1:0")
	var both bytes.Buffer
	command.Stdout, command.Stderr = &both, &both
	_ = command.Run() // the exit code is checked by the caller
	return both.String(), command.ProcessState.ExitCode()
}

func TestPgBouncerInTransactionMode(t *testing.T) {
	t.Parallel()
	r := newPoolerRig(t)
	t.Run("worker and api work", func(t *testing.T) {
		var orders []orderSpec
		for range 10 {
			b := orderSpec{}.complete()
			code, body := r.request(http.MethodPost, "/orders", b.body())
			require.Equal(t, http.StatusCreated, code, string(body))
			orders = append(orders, b)
		}
		for _, b := range orders {
			r.awaitMail(b.id, order.StatusFulfilling, "sent")
		}
		_, err := r.update(orders[0].id, "record-shipment", shipped)
		require.NoError(t, err)
		code, body := r.request(http.MethodPost, "/orders/"+orders[1].id+"/cancel", map[string]any{"reason": "customer-request"})
		require.Contains(t, []int{http.StatusOK, http.StatusAccepted}, code, string(body))
		r.awaitCustomer(orders[0].customer, "shipped", "reserved", "USD9758.00")
		r.awaitCustomer(orders[1].customer, "cancelled", "released", "USD10000.00")
	})
	for line, want := range map[string]struct {
		said string
		code int
	}{
		"orderflow reconcile --grace 1s":                         {"left 0", config.ExitOK},
		"orderflow email list":                                   {"there are none", config.ExitOK},
		"orderflow email resolve order-none confirmation --sent": {"order-none", config.ExitFailure},
		"orderflow erase --order order-none":                     {"order-none", config.ExitFailure},
		"orderflow publisher list":                               {"there are none", config.ExitOK},
		"orderflow publisher retry order-none":                   {"is not set aside", config.ExitFailure},
		"orderflow publisher snapshot":                           {"the history is read from its beginning", config.ExitOK},
	} {
		t.Run(line+" works", func(t *testing.T) {
			said, code := r.run(line)
			require.Contains(t, said, want.said)
			require.Equal(t, want.code, code, said)
		})
	}
	for _, line := range []string{"orderflow migrate", "orderflow publisher setup", "publisher", "projector", "orderflow view rebuild"} {
		t.Run(line+" refuses it", func(t *testing.T) {
			said, code := r.run(line)
			require.Contains(t, said, "POSTGRES_URL: must lead to the server itself: a connection pooler such as PgBouncer is before it")
			require.Equal(t, config.ExitConfiguration, code, said)
		})
	}
}
