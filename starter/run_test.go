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
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	d := opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		return run(ctx, []string{
			"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true", "OPS_ADDR=127.0.0.1:0",
		}, log)
	})
	d.Await("/healthz", http.StatusOK)
	d.Await("/readyz", http.StatusServiceUnavailable, `"starter":"takes no work: `, `"subscription":"not joined"`, `"temporal":"`)
	d.Await("/metrics", http.StatusOK, `orderflow_startup_retries_total{dependency="temporal"}`)
	require.NoError(t, d.Stop(), "a stop while waiting is not an error")
}
