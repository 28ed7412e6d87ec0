package postgres_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// poolerRig is a database with a PgBouncer in transaction mode before it, which has two
// connections to the server, or one.
type poolerRig struct {
	*world
	pooled string // URL
}

func newPoolerRig(t *testing.T, connections int) *poolerRig {
	t.Helper()
	w := newWorldToChange(t, postgres.Config{})
	return &poolerRig{world: w, pooled: devservertest.PgBouncer(t, w.url, map[string]string{"default_pool_size": fmt.Sprint(connections)})}
}

// open returns a store that goes through the pooler.
func (r *poolerRig) open(c postgres.Config, parameters string) *stores {
	r.t.Helper()
	c.URL, c.MaxConns = r.pooled+parameters, 8
	store, err := openStores(r.t.Context(), c)
	require.NoError(r.t, err)
	r.t.Cleanup(store.Close)
	return store
}

func TestPooler(t *testing.T) {
	t.Parallel()
	t.Run("runs every transaction of an order on whatever connection is free", func(t *testing.T) {
		r := newPoolerRig(t, 2)
		store := r.open(postgres.Config{}, "")
		ctx := t.Context()
		inParallel(t, 40, func(n int) error {
			s, c := start(), shipped()
			s.Order.OrderID = fmt.Sprintf("%s-%d", orderID, n)
			c.OrderID = s.Order.OrderID
			if _, err := store.StartFulfillment(ctx, s); err != nil {
				return err
			}
			claim, err := store.ClaimEmail(ctx, c.OrderID, email.KindConfirmation)
			if err != nil {
				return err
			}
			_, err = store.SettleEmail(ctx, email.Outcome{
				OrderID: c.OrderID, Kind: email.KindConfirmation, Attempt: claim.Attempt, Status: email.StatusSent, MessageID: c.OrderID,
			})
			if err != nil {
				return err
			}
			if _, err := store.HoldLease(ctx, "pooled", fmt.Sprint(n), time.Millisecond); err != nil {
				return err
			}
			row, err := store.CloseFulfillment(ctx, c)
			if err == nil && row.Status != order.StatusShipped {
				err = fmt.Errorf("%s is %s", c.OrderID, row.Status)
			}
			return err
		})
		require.Equal(t, []string{"40"}, r.rows(`SELECT count(*) FROM order_fulfillment WHERE status = 'shipped'`))
		require.Equal(t, []string{"40"}, r.rows(`SELECT count(*) FROM email_delivery WHERE status = 'sent'`))
	})
	t.Run("keeps nothing that the next client would find", func(t *testing.T) {
		r := newPoolerRig(t, 1)
		store := r.open(postgres.Config{ApplicationName: "first"}, "")
		require.NoError(t, store.Ping(t.Context()))
		require.NoError(t, store.CheckSchema(t.Context()))
		next, err := pgx.Connect(t.Context(), r.pooled)
		require.NoError(t, err)
		defer func() { _ = next.Close(context.WithoutCancel(t.Context())) }()
		for name, want := range map[string]string{"statement_timeout": "0", "lock_timeout": "0", "search_path": `"$user", public`} {
			var has string
			require.NoError(t, next.QueryRow(t.Context(), "SHOW "+name, pgx.QueryExecModeSimpleProtocol).Scan(&has))
			require.Equal(t, want, has, name)
		}
	})
	t.Run("is refused by name where sessions are needed", func(t *testing.T) {
		r := newPoolerRig(t, 2)
		store := r.open(postgres.Config{OwnSessions: true}, "")
		_, lockErr := store.TryLock(t.Context(), "projector")
		for _, err := range []error{
			store.CheckSchema(t.Context()), lockErr, postgres.Migrate(t.Context(), r.pooled, slog.New(slog.DiscardHandler)),
		} {
			require.ErrorContains(t, err, "POSTGRES_URL: must lead to the server itself: a connection pooler such as PgBouncer is before it")
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		}
	})
	for setting, value := range map[string]string{
		"default_transaction_isolation": "serializable", "search_path": "pg_catalog",
	} {
		t.Run("is a matter of settings when a role's sessions have another "+setting, func(t *testing.T) {
			r := newPoolerRig(t, 2)
			require.NoError(t, r.exec(fmt.Sprintf("ALTER ROLE CURRENT_USER IN DATABASE %s SET %s = '%s'",
				r.rows("SELECT current_database()")[0], setting, value)))
			r.requireBlocked(r.open(postgres.Config{}, ""), "the connection pooler's sessions lack "+setting)
		})
	}
	t.Run("is a matter of settings when it refuses a parameter of the URL", func(t *testing.T) {
		r := newPoolerRig(t, 2)
		r.requireBlocked(r.open(postgres.Config{}, "&statement_timeout=5000"), "(08P01): a connection pooler such as PgBouncer")
	})
}

// requireBlocked requires that a store's call fails until an operator has changed
// something.
func (r *poolerRig) requireBlocked(store *stores, words string) {
	r.t.Helper()
	_, err := store.StartFulfillment(r.t.Context(), start())
	require.ErrorContains(r.t, err, words)
	require.ErrorIs(r.t, err, postgres.ErrUnavailable, "no order is given up for it")
	var typed *postgres.Error
	require.ErrorAs(r.t, err, &typed)
	require.True(r.t, typed.Blocked())
	require.False(r.t, strings.Contains(err.Error(), "statement_timeout=5000"))
}

func TestError_BlockedByPooler(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"08P01", "42P05", "26000"} {
		require.True(t, (&postgres.Error{Code: code}).Blocked(), code)
	}
	require.False(t, (&postgres.Error{Code: "08006"}).Blocked(), "a connection that broke is an outage")
}

// The address of the database comes to lead to a pooler after its connections were the
// server's own.
func TestPooler_ThatComesLater(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	name, err := faultproxy.Start(hostOf(t, w.url))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, name.Close()) })
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.Host = name.Addr()
	store, err := openStores(t.Context(), postgres.Config{URL: address.String(), MaxConns: 4})
	require.NoError(t, err)
	t.Cleanup(store.Close)
	require.NoError(t, store.CheckSchema(t.Context()))
	name.PointTo(hostOf(t, devservertest.PgBouncer(t, w.url, map[string]string{"default_pool_size": "2"})))
	name.Cut()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := store.StartFulfillment(t.Context(), start())
		require.NoError(c, err)
	}, patience, 10*time.Millisecond)
	inParallel(t, 20, func(int) error {
		_, err := store.CloseFulfillment(t.Context(), shipped())
		return err
	})
}
