package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

const (
	crashes  = 5
	carriers = 8 // that carry orders side by side
)

// crashing is a server of its own that is stopped at once and started again, with orders
// under way.
type crashing struct {
	t       *testing.T
	options devserver.PostgresOptions
	server  *devserver.Postgres
	store   *stores

	orders   atomic.Int64 // that were carried from start to shipment
	failures atomic.Int64 // calls that were answered with an outage
	sent     sync.Map     // message id by order, for emails that the ledger said are sent
}

func newCrashing(t *testing.T) *crashing {
	t.Helper()
	port := devservertest.Port(t) // nobody may take it while the server is down
	c := &crashing{t: t, options: devserver.PostgresOptions{
		Dir: t.TempDir(), Port: port, Fast: true,
		Settings: map[string]string{"synchronous_commit": "on"}, // the process dies, not the machine
	}}
	c.start()
	require.NoError(t, postgres.Migrate(t.Context(), c.server.URL, slog.New(slog.DiscardHandler)))
	store, err := openStores(t.Context(), postgres.Config{URL: c.server.URL, MaxConns: carriers, CallTimeout: 2 * time.Second}, postgres.EmailRules{Lease: time.Hour})
	require.NoError(t, err)
	c.store = store
	t.Cleanup(c.store.Close)
	return c
}

func (c *crashing) start() {
	server, err := devserver.StartPostgres(c.t.Context(), c.options)
	require.NoError(c.t, err)
	c.server = server
	c.t.Cleanup(func() { _ = server.Stop(context.Background()) })
}

// insist repeats a call through outages, as Temporal does, only sooner.
func (c *crashing) insist(call func() error) error {
	for {
		err := call()
		if err == nil || !errors.Is(err, postgres.ErrUnavailable) || c.t.Context().Err() != nil {
			return err
		}
		c.failures.Add(1)
		select {
		case <-time.After(10 * time.Millisecond):
		case <-c.t.Context().Done():
		}
	}
}

// carry takes one order from its start to its shipment.
func (c *crashing) carry(id string) error {
	ctx := c.t.Context()
	begin := start()
	begin.Order.OrderID = id
	closing := shipped()
	closing.OrderID = id
	if err := c.insist(func() error { _, err := c.store.StartFulfillment(ctx, begin); return err }); err != nil {
		return err
	}
	var claim email.Claim
	err := c.insist(func() (err error) { claim, err = c.store.ClaimEmail(ctx, id, confirmation); return err })
	if err != nil {
		return err
	}
	if claim.Status == email.StatusSending { // otherwise the answer that said so was lost
		o := email.Outcome{OrderID: id, Kind: confirmation, Attempt: claim.Attempt, Status: email.StatusSent, MessageID: "m-" + id}
		if err := c.insist(func() error { _, err := c.store.SettleEmail(ctx, o); return err }); err != nil {
			return err
		}
		c.sent.Store(id, o.MessageID)
	}
	return c.insist(func() error {
		row, err := c.store.CloseFulfillment(ctx, closing)
		if err == nil && row.Status != order.StatusShipped {
			return fmt.Errorf("%s is %s", id, row.Status)
		}
		return err
	})
}

func TestStore_LosesNothingAcknowledgedInServerCrash(t *testing.T) {
	t.Parallel()
	c := newCrashing(t)
	ended := make(chan struct{})
	failed := make(chan error, carriers)
	for i := range carriers {
		go func() {
			for n := 0; ; n++ {
				select {
				case <-ended:
					failed <- nil
					return
				default:
				}
				if err := c.carry(fmt.Sprintf("order-%d-%d", i, n)); err != nil {
					failed <- err
					return
				}
				c.orders.Add(1)
			}
		}()
	}
	var slowest time.Duration
	for range crashes {
		seen := c.orders.Load()
		require.Eventually(t, func() bool { return c.orders.Load() >= seen+20 }, patience, time.Millisecond, "under load")
		c.server.Signal(syscall.SIGQUIT) // as pg_ctl stop -m immediate
		<-c.server.Done()
		c.start()
		up, seen := time.Now(), c.orders.Load()
		require.Eventually(t, func() bool { return c.orders.Load() > seen }, patience, time.Millisecond, "the pool recovers")
		slowest = max(slowest, time.Since(up))
	}
	close(ended)
	for range carriers {
		require.NoError(t, <-failed)
	}
	c.check()
	t.Logf("%d orders through %d crashes, %d calls repeated, going on at most %s after the server was up", c.orders.Load(), crashes, c.failures.Load(), slowest.Round(time.Millisecond))
}

// check reads what is stored: each order whole, with its two versions, and each email
// that was acknowledged as sent.
func (c *crashing) check() {
	t := c.t
	conn, err := pgx.Connect(t.Context(), c.server.URL)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	rows, err := conn.Query(t.Context(), `SELECT f.order_id, concat_ws('|', f.status, f.revision,
		(SELECT count(*) FROM order_fulfillment_line l WHERE l.order_id = f.order_id),
		(SELECT string_agg(h.revision || ':' || h.event_type, ',' ORDER BY h.revision) FROM order_fulfillment_history h WHERE h.order_id = f.order_id),
		(SELECT count(*) FROM email_delivery e WHERE e.order_id = f.order_id)),
		(SELECT concat_ws('|', e.status, e.message_id) FROM email_delivery e WHERE e.order_id = f.order_id AND e.kind = 'confirmation')
		FROM order_fulfillment f`)
	require.NoError(t, err)
	found := 0
	var id, whole, mail string
	_, err = pgx.ForEachRow(rows, []any{&id, &whole, &mail}, func() error {
		found++
		require.Equal(t, "shipped|1|2|0:order-approved,1:order-shipped|2", whole, id)
		if messageID, ok := c.sent.Load(id); ok {
			require.Equal(t, fmt.Sprintf("sent|%s", messageID), mail, id)
		} else {
			require.True(t, strings.HasPrefix(mail, "sending"), "%s: a claim whose answer was lost is nobody's: %s", id, mail)
		}
		return nil
	})
	require.NoError(t, err)
	require.EqualValues(t, c.orders.Load(), found)
}
