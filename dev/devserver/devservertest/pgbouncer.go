package devservertest

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// PgBouncer starts a PgBouncer in transaction mode in front of a server until the test
// ends, and returns its URL.
func PgBouncer(t testing.TB, upstream string, settings map[string]string) (url string) {
	t.Helper()
	pooler, err := devserver.StartPgBouncer(t.Context(), devserver.PgBouncerOptions{
		Dir: t.TempDir(), Upstream: upstream, Settings: settings,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, pooler.Stop(ctx))
	})
	return pooler.URL
}
