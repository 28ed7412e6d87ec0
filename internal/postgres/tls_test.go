package postgres_test

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/postgres"
)

// encrypted starts a server that speaks TLS with a certificate that is valid until then.
func encrypted(t *testing.T, until time.Time) (address *url.URL, certFile string) {
	t.Helper()
	certFile, keyFile := devservertest.Certificate(t, "server", until)
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: t.TempDir(), Fast: true, Settings: map[string]string{"ssl": "on", "ssl_cert_file": certFile, "ssl_key_file": keyFile},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	address, err = url.Parse(server.URL)
	require.NoError(t, err)
	return address, certFile
}

// ping asks a server through a URL that is changed in this way.
func ping(t *testing.T, address url.URL, query url.Values) error {
	t.Helper()
	address.RawQuery = query.Encode()
	store, err := openStores(t.Context(), postgres.Config{URL: address.String(), CallTimeout: 10 * time.Second})
	require.NoError(t, err)
	defer store.Close()
	return store.Ping(t.Context())
}

func TestOpen_VerifiesServerCertificate(t *testing.T) {
	t.Parallel()
	tomorrow := time.Now().Add(24 * time.Hour)
	address, ours := encrypted(t, tomorrow)
	expired, late := encrypted(t, time.Now().Add(-time.Hour))
	theirs, _ := devservertest.Certificate(t, "stranger", tomorrow)
	verified := func(ca string) url.Values { return url.Values{"sslmode": {"verify-full"}, "sslrootcert": {ca}} }

	require.NoError(t, ping(t, *address, verified(ours)))
	require.ErrorContains(t, ping(t, *address, verified(theirs)), "unknown authority")
	require.ErrorContains(t, ping(t, *expired, verified(late)), "expired")
	plain, err := url.Parse(servers.Postgres(t).URL)
	require.NoError(t, err)
	require.ErrorContains(t, ping(t, *plain, verified(ours)), "refused TLS", "no falling back to plaintext")
}

func TestOpen_HidesPasswordOfRefusedUser(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(servers.Postgres(t).URL)
	require.NoError(t, err)
	address.User = url.UserPassword("nobody", "hush")
	err = ping(t, *address, address.Query())
	require.ErrorContains(t, err, "28P01", "PostgreSQL's code for a refused password")
	require.False(t, strings.Contains(err.Error(), "hush"), err.Error())
}
