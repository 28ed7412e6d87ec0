package postgres_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// behindProxy gives the world's database a proxy, and a store that goes through it.
func (w *world) behindProxy(c postgres.Config) (*stores, *faultproxy.Proxy) {
	w.t.Helper()
	address, err := url.Parse(w.url)
	require.NoError(w.t, err)
	d, err := faultproxy.Start(address.Host)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, d.Close()) })
	address.Host = d.Addr()
	c.URL, c.MaxConns = address.String(), 4
	store, err := openStores(w.t.Context(), c)
	require.NoError(w.t, err)
	w.t.Cleanup(store.Close)
	return store, d
}

// committed is true of the answer to a whole transaction, which is sent after its commit:
// the results of the last statement, which is always a SELECT, and that the server is
// ready for the next.
func committed(answer []byte) bool {
	return bytes.Contains(answer, []byte("SELECT ")) && bytes.HasSuffix(answer, []byte("Z\x00\x00\x00\x05I"))
}

func TestTransaction_RepeatedAfterLostCommitResponse(t *testing.T) {
	const held = "sending|1|0|-"
	for name, c := range map[string]struct {
		before   func(*world)
		call     func(*stores) error
		versions int
		mail     string
	}{
		"start": {func(*world) {}, func(s *stores) error {
			_, err := s.StartFulfillment(t.Context(), start())
			return err
		}, 1, "pending|0|0|-"},
		"ship": {func(w *world) { w.start() }, func(s *stores) error {
			_, err := s.CloseFulfillment(t.Context(), shipped())
			return err
		}, 2, "pending|0|0|-"},
		"cancel": {func(w *world) { w.start() }, func(s *stores) error {
			_, err := s.CloseFulfillment(t.Context(), cancelled())
			return err
		}, 2, "suppressed|0|0|-"},
		"reject": {func(*world) {}, func(s *stores) error {
			_, err := s.CloseFulfillment(t.Context(), rejected())
			return err
		}, 1, "none"},
		"claim": {func(w *world) { w.start() }, func(s *stores) error {
			claim, err := s.ClaimEmail(t.Context(), orderID, confirmation)
			if err == nil && claim.RetryIn == 0 {
				return fmt.Errorf("an attempt that nobody knows of is nobody's: %+v", claim)
			}
			return err
		}, 1, held},
		"settle": {func(w *world) { w.start(); w.claim(confirmation) }, func(s *stores) error {
			o := outcome(1, email.StatusSent, "m-1")
			o.OrderID = orderID
			_, err := s.SettleEmail(t.Context(), o)
			return err
		}, 1, "sent|1|0|m-1"},
		"settle as unknown": {func(w *world) { w.start(); w.claim(confirmation) }, func(s *stores) error {
			o := outcome(1, email.StatusUnknown, "")
			o.OrderID = orderID
			_, err := s.SettleEmail(t.Context(), o)
			return err
		}, 1, "unknown|1|1|-"},
		"resolve": {func(w *world) { w.start(); w.claim(confirmation); w.settle(outcome(1, email.StatusUnknown, "")) }, func(s *stores) error {
			_, err := s.ResolveEmail(t.Context(), email.Decision{OrderID: orderID, Kind: confirmation, Resolution: email.ResolutionResend})
			return err
		}, 1, "pending|1|1|-"},
		"erase": {func(w *world) { w.start() }, func(s *stores) error {
			return s.EraseOrder(t.Context(), orderID)
		}, 1, "suppressed|0|0|-"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			store, d := w.behindProxy(postgres.Config{})
			c.before(w)
			require.NoError(t, store.Ping(t.Context())) // a new connection has an answer of the same form
			d.DropResponse(committed)
			require.ErrorIs(t, c.call(store), postgres.ErrUnavailable)
			require.Equal(t, 1, d.Dropped())
			require.Equal(t, c.mail, w.mail(confirmation), "it was committed")
			for range 2 {
				require.NoError(t, c.call(store))
			}
			require.Equal(t, c.mail, w.mail(confirmation))
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment"), 1)
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), c.versions)
			require.LessOrEqual(t, len(w.rows("SELECT 1 FROM email_delivery")), 2)
		})
	}
}

// awaitWaiting waits until so many sessions of the database wait for a lock. What a
// transaction sees of others' sessions does not change, so the world's own connection,
// which holds the lock, cannot be asked.
func (w *world) awaitWaiting(n int) {
	w.t.Helper()
	observer, err := pgx.Connect(w.t.Context(), w.url)
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, observer.Close(w.t.Context())) }()
	require.Eventually(w.t, func() bool {
		var waiting int
		err := observer.QueryRow(w.t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&waiting)
		return err == nil && waiting == n
	}, patience, 5*time.Millisecond)
}

// Two clients that lock in opposite order: the store's transaction is the one the server
// gives up. All of it is repeated, and nothing of the first try is left.
func TestTransaction_RepeatedAfterDeadlock(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	patient, err := openStores(t.Context(), postgres.Config{URL: w.url + "&deadlock_timeout=5s", CallTimeout: patience})
	require.NoError(t, err)
	defer patient.Close()
	require.NoError(t, w.exec("SET deadlock_timeout = '10min'; SET log_lock_waits = off"))
	require.NoError(t, w.exec("BEGIN; UPDATE email_delivery SET updated_at = clock_timestamp()"))
	done := make(chan error, 1)
	go func() {
		_, err := patient.CloseFulfillment(t.Context(), cancelled()) // holds the order, wants its email
		done <- err
	}()
	w.awaitWaiting(1)
	require.NoError(t, w.exec("SELECT FROM order_fulfillment FOR UPDATE")) // holds the mail, wants the order, and gets it
	require.NoError(t, w.exec("COMMIT"))
	require.NoError(t, <-done)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		var deadlocks int
		require.NoError(c, w.conn.QueryRow(t.Context(), "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").Scan(&deadlocks))
		require.Equal(c, 1, deadlocks)
	}, patience, 50*time.Millisecond)
	require.Equal(t, "suppressed|0|0|-", w.mail(confirmation))
	require.Equal(t, []string{"0|order-approved", "1|order-cancelled"}, w.rows("SELECT revision, event_type FROM order_fulfillment_history ORDER BY revision"))
}

// What fails may be the last statement of several: then nothing of the others stays.
func TestTransaction_AbortsAsAWhole(t *testing.T) {
	for _, c := range []struct {
		code string
		n    int
		err  error // of the first call
	}{
		{"40001", 3, nil}, {"40P01", 3, nil}, {"40001", 7, postgres.ErrUnavailable},
		{"53100", 1, postgres.ErrUnavailable}, {"53200", 1, postgres.ErrUnavailable}, {"58030", 1, postgres.ErrUnavailable},
		{"57P01", 1, postgres.ErrUnavailable}, {"25006", 1, postgres.ErrUnavailable}, {"XX000", 1, postgres.ErrUnavailable},
	} {
		t.Run(fmt.Sprintf("%s %d times", c.code, c.n), func(t *testing.T) {
			w := newWorldToChange(t, postgres.Config{})
			conflictFor(w, c.code, c.n)
			require.NoError(t, w.exec(`DROP TRIGGER conflict ON order_fulfillment;
				CREATE TRIGGER conflict BEFORE INSERT ON email_delivery FOR EACH ROW EXECUTE FUNCTION conflict()`))
			_, err := w.StartFulfillment(t.Context(), start())
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				for _, table := range []string{"order_fulfillment", "order_fulfillment_line", "order_fulfillment_history", "email_delivery"} {
					require.Empty(t, w.rows("SELECT 1 FROM "+table), table)
				}
				_, err = w.StartFulfillment(t.Context(), start()) // the disk has room again
			}
			require.NoError(t, err)
			require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_line"), 2)
			require.Equal(t, []string{"0|order-approved"}, w.rows("SELECT revision, event_type FROM order_fulfillment_history"))
			require.Equal(t, "pending|0|0|-", w.mail(confirmation))
		})
	}
}

// unavailable errs when a call that must fail did not, or for another reason.
func unavailable(err error) error {
	if errors.Is(err, postgres.ErrUnavailable) {
		return nil
	}
	return fmt.Errorf("not unavailable: %w", err)
}

func TestPool_ExhaustedRespondsInTimeAndRecovers(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	hasty := w.hasty(700*time.Millisecond, 2)
	require.NoError(t, w.exec("BEGIN; SELECT FROM order_fulfillment FOR UPDATE"))
	var slowest atomic.Int64
	inParallel(t, 50, func(int) error {
		begun := time.Now()
		_, err := hasty.CloseFulfillment(t.Context(), shipped())
		for took := time.Since(begun).Milliseconds(); ; {
			if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
				break
			}
		}
		return unavailable(err)
	})
	require.Less(t, slowest.Load(), int64(10_000), "milliseconds; one after the other they took 17,500")
	require.NoError(t, w.exec("ROLLBACK"))
	begun := time.Now()
	inParallel(t, 50, func(int) error {
		for {
			_, err := hasty.CloseFulfillment(t.Context(), shipped())
			if err == nil || time.Since(begun) > patience {
				return err
			}
		}
	})
	t.Logf("50 calls on 2 connections: refused after at most %d ms, all done %d ms after the lock was gone", slowest.Load(), time.Since(begun).Milliseconds())
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 2)
}

// The worker's pool has a connection for each slot of both queues. Orders that all wait
// for one lock leave the emails' connections alone.
func TestPool_StuckOrdersDoNotStarveEmails(t *testing.T) {
	const orders, mails = 16, 8
	w := newWorld(t, postgres.Config{MaxConns: orders + mails, CallTimeout: patience})
	w.start()
	for i := range mails {
		begin := start()
		begin.Order.OrderID = fmt.Sprintf("order-%d", i)
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
	}
	require.NoError(t, w.exec("BEGIN; SELECT FROM order_fulfillment WHERE order_id = '"+orderID+"' FOR UPDATE"))
	stuck := make(chan error, orders)
	for range orders {
		go func() { _, err := w.CloseFulfillment(t.Context(), shipped()); stuck <- err }()
	}
	w.awaitWaiting(orders)
	inParallel(t, mails, func(i int) error {
		claim, err := w.ClaimEmail(t.Context(), fmt.Sprintf("order-%d", i), confirmation)
		if err == nil && claim.Status != email.StatusSending {
			return fmt.Errorf("a mail is %s", claim.Status)
		}
		return err
	})
	require.Empty(t, stuck, "while the orders wait")
	require.NoError(t, w.exec("ROLLBACK"))
	for range orders {
		require.NoError(t, <-stuck)
	}
}

func TestStore_StoresUnusualTextUnchanged(t *testing.T) {
	for name, text := range map[string]string{
		"quotes":                   `O'Neil "the" \ back`,
		"a dollar quote":           `$tag$ ; DROP TABLE order_fulfillment; -- $tag$`,
		"an escape that jsonb has": `\u0000 \ud800 \x00 \n`,
		"a format":                 `%s %d %%`,
		"JSON":                     `{"status":"shipped"}`,
		"right to left":            "\u202eabc\u202c",
		"emoji and combining":      "👩‍🚀 e\u0301",
		"the last code points":     "\U0010fffd\ufffd",
		"control characters":       "a\x01\x1f\tb\r\nc",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			begin := start()
			begin.Order.ShippingMethod, begin.Order.Recipient.FullName = text, text
			begin.Order.Lines[0].ProductName = text
			_, err := w.StartFulfillment(t.Context(), begin)
			require.NoError(t, err)
			c := shipped()
			c.Carrier = text
			require.Equal(t, text, w.close(c).Carrier)
			require.Equal(t, text, w.close(c).Carrier, "and is the same again")
			require.Equal(t, []string{text + "|" + text}, w.rows("SELECT new ->> 'carrier', new ->> 'shipping_method' FROM order_fulfillment_history WHERE revision = 1"))
			require.Equal(t, text, w.claim(confirmation).Letter.Lines[0].ProductName)
		})
	}
}

func TestStore_RefusesTextTooLongForItsColumn(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	long := start()
	long.Source.EventID = strings.Repeat("x", 129)
	_, err := w.StartFulfillment(t.Context(), long)
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
	huge := start()
	huge.Order.Lines[0].ProductName = strings.Repeat("語", 8<<20) // 24 MiB
	_, err = w.StartFulfillment(t.Context(), huge)
	require.NoError(t, err)
	for _, length := range []int{257, 1 << 20} {
		c := shipped()
		c.TrackingNumber = strings.Repeat("1", length)
		_, err = w.CloseFulfillment(t.Context(), c)
		require.ErrorIs(t, err, fulfillment.ErrInvalid)
		require.NotContains(t, err.Error(), "111")
	}
	require.Equal(t, order.StatusFulfilling, w.mustFind(orderID).Status)
}

func TestStore_RefusesUnknownReasonAndKind(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	c := cancelled()
	c.Reason = "BECAUSE"
	_, err := w.CloseFulfillment(t.Context(), c)
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
	claim, err := w.ClaimEmail(t.Context(), orderID, "newsletter")
	require.NoError(t, err)
	require.Equal(t, email.Claim{Status: email.StatusNone}, claim)
}

// A migration that adds a column comes while workers run, and their prepared statements
// stay good. One that takes a column away is a slip that somebody mends: nothing is given
// up for it.
func TestStore_SurvivesColumnChanges(t *testing.T) {
	w := newWorldToChange(t, postgres.Config{})
	w.start()
	require.NoError(t, w.exec("ALTER TABLE order_fulfillment ADD COLUMN gift boolean NOT NULL DEFAULT false"))
	require.Equal(t, order.StatusFulfilling, w.mustFind(orderID).Status)
	require.NoError(t, w.exec("ALTER TABLE order_fulfillment RENAME COLUMN carrier TO shipper"))
	_, err := w.FindFulfillment(t.Context(), orderID)
	require.ErrorIs(t, err, postgres.ErrUnavailable)
	require.NoError(t, w.exec("ALTER TABLE order_fulfillment RENAME COLUMN shipper TO carrier"))
	require.Eventually(t, func() bool {
		row, err := w.CloseFulfillment(t.Context(), shipped())
		return err == nil && row.Status == order.StatusShipped
	}, patience, 10*time.Millisecond)
}
