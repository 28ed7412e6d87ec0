package main

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/opstest"
)

func TestRunWithoutServers(t *testing.T) {
	t.Parallel()
	d := opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		return run(ctx, []string{
			"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL=postgres://127.0.0.1:1/x", "OPS_ADDR=127.0.0.1:0",
		}, log)
	})
	d.Await("/healthz", http.StatusOK)
	d.Await("/readyz", http.StatusServiceUnavailable, `"publisher":"takes no work: `, `"slot":"not connected for replication`, `"postgres":"`, `"kurrentdb":"`)
	d.Await("/metrics", http.StatusOK, `orderflow_startup_retries_total{dependency="postgres"}`)
	require.NoError(t, d.Stop(), "stopped while waiting for PostgreSQL")
}
