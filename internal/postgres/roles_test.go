package postgres_test

import (
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestRolesFile(t *testing.T) {
	t.Parallel()
	url := servers.Database(t)
	for range 2 { // it may be run again
		psql := exec.CommandContext(t.Context(), "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", "../../deploy/roles.sql")
		out, err := psql.CombinedOutput()
		require.NoError(t, err, string(out))
	}
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for name, c := range map[string]struct {
		role, table, privilege string
		granted                bool
	}{
		"the worker writes orders":                   {"orderflow_worker", "order_fulfillment", "INSERT", true},
		"the worker does not prune the history":      {"orderflow_worker", "order_fulfillment_history", "DELETE", false},
		"the api changes no order":                   {"orderflow_api", "order_fulfillment", "UPDATE", false},
		"the api reads the view":                     {"orderflow_api", "customer_view", "SELECT", true},
		"reconcile changes no order":                 {"orderflow_reconcile", "order_fulfillment", "UPDATE", false},
		"the projector writes the view":              {"orderflow_projector", "customer_view", "INSERT", true},
		"the projector reads no order":               {"orderflow_projector", "order_fulfillment", "SELECT", false},
		"the publisher reads the history":            {"orderflow_publisher", "order_fulfillment_history", "SELECT", true},
		"the publisher does not read the email list": {"orderflow_publisher", "email_delivery", "SELECT", false},
	} {
		t.Run(name, func(t *testing.T) {
			var granted bool
			require.NoError(t, conn.QueryRow(t.Context(), "SELECT has_table_privilege($1, $2, $3)", c.role, c.table, c.privilege).Scan(&granted))
			require.Equal(t, c.granted, granted)
		})
	}
	var replicates bool
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT rolreplication FROM pg_roles WHERE rolname = 'orderflow_publisher'").Scan(&replicates))
	require.True(t, replicates, "the publisher reads the log")
}
