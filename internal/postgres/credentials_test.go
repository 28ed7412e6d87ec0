package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/internal/postgres"
)

// renewalRig is a server with TLS, and a pool whose connection string is in a file.
type renewalRig struct {
	*testing.T
	address url.URL
	admin   *pgx.Conn
	file    string
	ca      string // file of the server's certificate
	stores  *stores
}

func newRenewalRig(t *testing.T) *renewalRig {
	t.Helper()
	address, ca := encrypted(t, time.Now().Add(24*time.Hour))
	admin, err := pgx.Connect(t.Context(), address.String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, admin.Close(context.WithoutCancel(t.Context()))) })
	r := &renewalRig{T: t, address: *address, admin: admin, file: filepath.Join(t.TempDir(), "url"), ca: ca}
	r.exec("CREATE ROLE first LOGIN REPLICATION PASSWORD 'one'", "CREATE ROLE second LOGIN REPLICATION PASSWORD 'one'")
	r.write(r.url("first", "one", ""))
	r.stores, err = openStores(t.Context(), postgres.Config{URL: r.url("first", "one", ""), URLFile: r.file, MaxConns: 1})
	require.NoError(t, err)
	t.Cleanup(r.stores.Close)
	r.awaitUser("first")
	return r
}

func (r *renewalRig) exec(statements ...string) {
	r.Helper()
	for _, statement := range statements {
		_, err := r.admin.Exec(r.Context(), statement)
		require.NoError(r, err, statement)
	}
}

// url returns the connection string of a user; an empty database is that of the server.
func (r *renewalRig) url(user, password, database string) string {
	address := r.address
	address.User = url.UserPassword(user, password)
	if database != "" {
		address.Path = "/" + database
	}
	address.RawQuery = url.Values{"sslmode": {"verify-full"}, "sslrootcert": {r.ca}}.Encode()
	return address.String()
}

func (r *renewalRig) write(content string) {
	r.Helper()
	require.NoError(r, os.WriteFile(r.file, []byte(content+"\n"), 0o600))
}

// disconnect ends the connections of the pool, so that it makes new ones.
func (r *renewalRig) disconnect() {
	r.Helper()
	r.exec("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename IN ('first', 'second')")
}

// awaitUser waits until the pool is connected to its first database as a user.
func (r *renewalRig) awaitUser(name string) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		require.NoError(c, r.stores.Ping(r.Context()))
		var n int
		require.NoError(c, r.admin.QueryRow(r.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND datname = current_database()", name).Scan(&n))
		require.Positive(c, n)
	}, patience, 20*time.Millisecond)
}

func (r *renewalRig) awaitError(part string) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		require.ErrorContains(c, r.stores.Ping(r.Context()), part)
	}, patience, 20*time.Millisecond)
}

func TestPool_RenewsCredentials(t *testing.T) {
	t.Parallel()
	r := newRenewalRig(t)
	const refusedPassword = "28P01"

	r.exec("ALTER ROLE first PASSWORD 'two'")
	require.NoError(t, r.stores.Ping(t.Context()), "open connections stay")
	r.disconnect()
	r.awaitError(refusedPassword)
	r.write(r.url("first", "two", ""))
	r.awaitUser("first")

	r.write(r.url("second", "one", ""))
	r.disconnect()
	r.awaitUser("second")
	replication, err := r.stores.OpenReplication(t.Context(), "renewed")
	require.NoError(t, err)
	replication.Close()
	r.exec("ALTER ROLE second PASSWORD 'two'")
	_, err = r.stores.OpenReplication(t.Context(), "renewed")
	require.ErrorContains(t, err, refusedPassword)
	r.write(r.url("second", "two", ""))
	replication, err = r.stores.OpenReplication(t.Context(), "renewed")
	require.NoError(t, err)
	replication.Close()

	for _, unusable := range []string{
		"", "no connection string", r.url("first", "two", "template1"), fmt.Sprintf("postgres://first:two@%s/?sslmode=disable", r.address.Host),
		r.url("first", "two", "") + "&sslcert=no-such-file", strings.Replace(r.url("first", "two", ""), "verify-full", "verify-ca", 1),
	} {
		r.write(unusable)
		r.disconnect()
		r.awaitUser("second")
	}
	require.NoError(t, os.Remove(r.file))
	r.disconnect()
	r.awaitUser("second")
}

// The certificate of the server is its own authority, so both change at once.
func TestPool_RenewsAuthorities(t *testing.T) {
	t.Parallel()
	r := newRenewalRig(t)
	_, _, err := devserver.WriteCertificate(filepath.Dir(r.ca), "server", time.Now().Add(time.Hour))
	require.NoError(t, err)
	r.exec("SELECT pg_reload_conf()")
	require.NoError(t, r.stores.Ping(t.Context()), "open connections stay")
	r.disconnect()
	r.awaitUser("first")
}
