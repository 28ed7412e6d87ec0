package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
	"orderflow/internal/postgres"
)

// failoverConns is the size of a pool.
const failoverConns = 4

// failoverRig is a migrated primary, its standby, and a proxy whose address stays while
// it leads to one or the other.
type failoverRig struct {
	t                *testing.T
	primary, standby *devserver.Postgres
	name             *faultproxy.Proxy
}

func newFailoverRig(t *testing.T) *failoverRig {
	t.Helper()
	t.Parallel()
	r := &failoverRig{t: t}
	r.primary = r.start(devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, postgres.Migrate(t.Context(), r.primary.URL, slog.New(slog.DiscardHandler)))
	r.standby = r.start(devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, StandbyOf: r.primary.URL})
	var err error
	r.name, err = faultproxy.Start(hostOf(t, r.primary.URL))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.name.Close()) })
	return r
}

func (r *failoverRig) start(o devserver.PostgresOptions) *devserver.Postgres {
	r.t.Helper()
	server, err := devserver.StartPostgres(r.t.Context(), o)
	require.NoError(r.t, err)
	r.t.Cleanup(func() { _ = server.Stop(context.Background()) })
	return server
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
}

// open opens a store by the name, with something added to its connection string.
func (r *failoverRig) open(more string) *stores {
	r.t.Helper()
	address, err := url.Parse(r.primary.URL)
	require.NoError(r.t, err)
	address.Host = r.name.Addr()
	return r.openAt(address.String() + more)
}

func (r *failoverRig) openAt(address string) *stores {
	r.t.Helper()
	store, err := openStores(r.t.Context(), postgres.Config{URL: address, MaxConns: failoverConns, CallTimeout: 20 * time.Second})
	require.NoError(r.t, err)
	r.t.Cleanup(store.Close)
	return store
}

// keywords is the name's connection string in its other form.
func (r *failoverRig) keywords(more string) string {
	r.t.Helper()
	address, err := url.Parse(r.primary.URL)
	require.NoError(r.t, err)
	host, port, err := net.SplitHostPort(r.name.Addr())
	require.NoError(r.t, err)
	password, _ := address.User.Password()
	return fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=%s sslmode=disable %s",
		host, port, devserver.PostgresUser, password, devserver.PostgresDatabase, more)
}

// point has the name lead to a server, and every connection of before end.
func (r *failoverRig) point(to *devserver.Postgres) {
	r.t.Helper()
	r.name.PointTo(hostOf(r.t, to.URL))
	r.name.Cut()
}

func write(ctx context.Context, s *stores) error {
	_, err := s.StartFulfillment(ctx, start())
	return err
}

// fillPool has every connection of a store's pool made, to whatever server is there.
func fillPool(t *testing.T, s *stores) {
	t.Helper()
	inParallel(t, 16, func(int) error {
		_, err := s.FindFulfillment(t.Context(), orderID)
		if errors.Is(err, postgres.ErrNotFound) || errors.Is(err, postgres.ErrUnavailable) {
			return nil
		}
		return err
	})
}

// requireWritable waits until writes succeed on every connection. One that was made while
// the server took no writes refuses a single statement, and is closed by that. It need
// not come to light before a new connection succeeds: the pool holds all idle connections
// while it looks at their age, and a session learns of a changed configuration in its own
// time.
func requireWritable(t *testing.T, s *stores) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.NoError(c, write(t.Context(), s))
		require.NoError(c, s.Ping(t.Context()))
	}, patience, 10*time.Millisecond)
	var refusals atomic.Int32
	for before := int32(-1); before != refusals.Load(); {
		before = refusals.Load()
		inParallel(t, 16, func(int) error { // by each connection
			err := write(t.Context(), s)
			if err != nil && strings.Contains(err.Error(), refused) {
				refusals.Add(1)
				return nil
			}
			return err
		})
		require.LessOrEqual(t, refusals.Load(), int32(failoverConns), "a connection refuses once at most")
	}
}

// What a call meets on a server that takes no writes: it is not connected to, or refuses
// the statement.
const (
	notConnected = "read only connection"
	refused      = "25006"
)

func requireReadOnly(t *testing.T, s *stores, words string) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		err := write(t.Context(), s)
		require.ErrorIs(c, err, postgres.ErrUnavailable)
		require.ErrorContains(c, err, words)
		require.ErrorIs(c, s.Ping(t.Context()), postgres.ErrUnavailable)
	}, patience, 10*time.Millisecond)
}

// One primary and one standby serve all of it, for they take longer to make than the
// rest.
func TestStoreFailover(t *testing.T) {
	r := newFailoverRig(t)
	t.Run("a name that leads to a standby for a while", r.testAwayAndBack)
	t.Run("a server that is made read-only", r.testReadOnlySettings)
	t.Run("a standby that is asked for", r.testStandbyOnPurpose)
	t.Run("replication", r.testReplication)
	t.Run("a standby that is promoted", r.testPromotion)
}

// No connection to the standby outlives the time for which the name led there.
func (r *failoverRig) testAwayAndBack(t *testing.T) {
	for name, c := range map[string]struct {
		store *stores
		words string
	}{
		"the URL says nothing":    {r.open(""), notConnected},
		"the URL says read-write": {r.open("&target_session_attrs=read-write"), notConnected},
		"the URL says any":        {r.open("&target_session_attrs=any"), refused},
		"keywords say nothing":    {r.openAt(r.keywords("")), notConnected},
		"keywords say any":        {r.openAt(r.keywords("target_session_attrs=any")), refused},
	} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, write(t.Context(), c.store))
			r.point(r.standby)
			fillPool(t, c.store)
			requireReadOnly(t, c.store, c.words)
			fillPool(t, c.store)

			r.name.PointTo(hostOf(t, r.primary.URL)) // and nothing ends the connections to the standby

			requireWritable(t, c.store)
		})
	}
}

func (r *failoverRig) testReadOnlySettings(t *testing.T) {
	for name, setting := range map[string]struct{ on, off []string }{
		"role": {
			[]string{"ALTER ROLE orderflow SET default_transaction_read_only = on"},
			[]string{"ALTER ROLE orderflow RESET default_transaction_read_only"},
		},
		"database": {
			[]string{"ALTER DATABASE orderflow SET default_transaction_read_only = on"},
			[]string{"ALTER DATABASE orderflow RESET default_transaction_read_only"},
		},
		"configuration": {
			[]string{"ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"},
			[]string{"ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"},
		},
	} {
		for attributes, words := range map[string]string{"": notConnected, "&target_session_attrs=any": refused} {
			t.Run(name+attributes, func(t *testing.T) {
				store := r.open(attributes)
				require.NoError(t, write(t.Context(), store))
				r.onPrimary(setting.on...)
				r.name.Cut() // a session's default is that of when it began, unless it is the configuration's
				fillPool(t, store)
				requireReadOnly(t, store, words)
				fillPool(t, store)

				r.onPrimary(setting.off...)

				requireWritable(t, store)
			})
		}
	}
}

// onPrimary runs statements in sessions that may write whatever the default is.
func (r *failoverRig) onPrimary(statements ...string) {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.primary.URL+"&default_transaction_read_only=off")
	require.NoError(r.t, err)
	defer func() { _ = conn.Close(r.t.Context()) }()
	for _, sql := range statements {
		_, err := conn.Exec(r.t.Context(), sql)
		require.NoError(r.t, err, sql)
	}
}

// An api may be pointed at a standby on purpose.
func (r *failoverRig) testStandbyOnPurpose(t *testing.T) {
	r.point(r.standby)
	defer r.point(r.primary)
	for _, attributes := range []string{"standby", "prefer-standby", "read-only"} {
		store := r.open("&target_session_attrs=" + attributes)
		require.NoError(t, store.Ping(t.Context()), attributes)
		require.NoError(t, store.CheckSchema(t.Context()), attributes)
	}
}

func (r *failoverRig) testReplication(t *testing.T) {
	store := r.open("")
	r.point(r.standby)
	_, err := store.OpenReplication(t.Context(), "orderflow")
	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.ErrorContains(t, err, notConnected)
	r.point(r.primary)
	replication, err := store.OpenReplication(t.Context(), "orderflow")
	require.NoError(t, err)
	replication.Close()
}

// It comes last: the standby is none any more.
func (r *failoverRig) testPromotion(t *testing.T) {
	store := r.open("")
	require.NoError(t, write(t.Context(), store))
	r.point(r.standby)
	requireReadOnly(t, store, notConnected)

	require.NoError(t, r.standby.Promote(t.Context()))

	requireWritable(t, store)
}
