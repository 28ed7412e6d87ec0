package main

import (
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/postgres"
)

// tell appends the next steps of a tale.
func (w *world) tell(t *tale, steps int) {
	w.t.Helper()
	for range steps {
		stream, event := t.step()
		w.append(stream, event)
	}
}

// awaitTale waits until the view holds what the tale has told.
func (w *world) awaitTale(t *tale) {
	w.t.Helper()
	want := t.expected()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		require.Equal(c, want, w.shownFor(c))
	}, waitLong, waitTick)
}

func TestTheViewIsTheFoldOfTheStreamsHoweverOftenTheProjectorIsStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(1)
	w.tell(tale, 100)
	for range 5 {
		stop := w.start(w.projector(w.events))
		w.tell(tale, 60)
		stop()
		w.tell(tale, 20)
	}
	w.start(w.projector(w.events))

	w.awaitTale(tale)
}

func TestARebuiltViewIsTheSame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(2)
	stop := w.start(w.projector(w.events))
	w.tell(tale, 300)
	w.awaitTale(tale)
	stop()
	_, err := w.db.Exec(t.Context(), `UPDATE customer_order SET status = 'spoilt'; DELETE FROM customer_view WHERE customer_id = 'c-1'`)
	require.NoError(t, err)

	w.rebuild()

	require.Equal(t, tale.expected(), w.shown())
}

func TestARebuildBesideALiveProjectorLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(3)
	w.start(w.projector(w.events))
	for range 4 {
		w.tell(tale, 60)
		w.rebuild()
		w.tell(tale, 20)
	}

	w.awaitTale(tale)
}

func TestARebuildThatWasCutOffIsBegunAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(4)
	w.tell(tale, 200)
	store := w.store()
	require.NoError(t, store.BeginRebuild(t.Context()))
	_, err := w.db.Exec(t.Context(), `INSERT INTO customer_view_rebuild (customer_id, limit_minor, reserved_minor, credit_revision,
		updated_at) VALUES ('c-1', 1, 1, 99, now()); UPDATE projector_position SET commit_position = 5 WHERE view = 'rebuild'`)
	require.NoError(t, err)

	w.rebuild()

	require.Equal(t, tale.expected(), w.shown())
}

func TestOfTwoProjectorsThatBothBelieveToBeTheOneOnlyOneWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(5)
	w.tell(tale, 200)
	var working sync.WaitGroup
	for range 2 { // without the lock that keeps them apart
		p := w.projector(w.events)
		working.Go(func() {
			for t.Context().Err() == nil {
				_ = p.session(t.Context())
			}
		})
	}
	t.Cleanup(working.Wait)
	w.tell(tale, 200)

	w.awaitTale(tale)
}

func TestASecondReplicaWaitsAndTakesOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(6)
	first, second := w.projector(w.events), w.projector(w.events)
	stop := w.start(first)
	w.tell(tale, 50)
	w.awaitTale(tale)
	w.start(second)
	w.tell(tale, 50)
	w.awaitTale(tale)
	require.Error(t, second.ready(t.Context()), "it has never worked")
	stop()
	w.tell(tale, 50)

	w.awaitTale(tale)
	require.Eventually(t, func() bool { return second.ready(t.Context()) == nil }, waitLong, waitTick)
}

func TestALogThatIsSilentIsFollowedAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	way, err := faultproxy.Start(w.server.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = way.Close() })
	address, err := url.Parse(w.server.URL())
	require.NoError(t, err)
	through := strings.Replace(w.server.URL(), address.Host, way.Addr(), 1) + "&keepAliveInterval=1000&keepAliveTimeout=1000"
	tale := newTale(7)
	var log journal
	w.startLogging(w.projector(w.client(through)), &log)
	w.tell(tale, 50)
	w.awaitTale(tale)

	way.Stall(faultproxy.Downstream) // the connection lives, and brings nothing
	w.tell(tale, 50)
	require.Eventually(t, func() bool { return log.says("following the log ended") }, waitLong, waitTick)
	require.NotEqual(t, tale.expected(), w.shown())
	way.Resume()

	w.awaitTale(tale)
}

func TestARoleWithTheProjectorsRightsRunsAndRebuilds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(8)
	w.tell(tale, 100)
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	role := "projector_of_" + strings.Trim(address.Path, "/") // roles are the whole cluster's
	_, err = w.db.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD 'secret'; SELECT orderflow_grant_projector('%[1]s')`, role))
	require.NoError(t, err)
	address.User = url.UserPassword(role, "secret")
	w.url = address.String()

	w.rebuild()
	require.Equal(t, tale.expected(), w.shown())
	w.start(w.projector(w.events))
	w.tell(tale, 100)
	w.awaitTale(tale)

	stranger, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer func() { _ = stranger.Close(t.Context()) }()
	_, err = stranger.Exec(t.Context(), `SELECT FROM order_fulfillment`)
	require.ErrorContains(t, err, "permission denied")
}

// What a table does not take is known before it is stored; this is what happens if something slips through all the same.
func TestAChangeThatTheDatabaseNeverTakesKeepsTheViewFromNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	_, err := w.db.Exec(t.Context(), `ALTER TABLE customer_order ADD CHECK (carrier <> 'DHL' OR order_id <> 'order-0')`)
	require.NoError(t, err)
	tale := newTale(9)
	w.tell(tale, 20)
	w.append("fulfillment-order-0", told("order-shipped", map[string]any{
		"orderId": "order-0", "customerId": tale.orders["order-0"].Customer, "status": "shipped", "total": money(1210), "carrier": "DHL",
	}))
	p := w.projector(w.events)
	w.start(p)
	stream, event := tale.place()
	w.append(stream, event)

	require.Eventually(t, func() bool {
		var found bool
		return w.db.QueryRow(t.Context(), `SELECT true FROM customer_order WHERE order_id = $1`, stream).Scan(&found) == nil
	}, waitLong, waitTick)
	require.Positive(t, testutil.ToFloat64(p.metrics.refused))
}

func TestEventsThatNoTableTakesSayNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(10)
	w.tell(tale, 50)
	w.append("credit-"+strings.Repeat("x", 500), told("credit-account-opened", map[string]any{
		"customerId": strings.Repeat("x", 500), "limit": money(1),
	}))
	w.append("fulfillment-order-0", told("order-shipped", map[string]any{
		"orderId": "order-0", "customerId": "c-0", "status": "shipped", "total": money(1210), "carrier": "a\x00b",
	}))
	p := w.projector(w.events)
	w.start(p)
	w.tell(tale, 50)

	w.awaitTale(tale)
	require.Zero(t, testutil.ToFloat64(p.metrics.refused))
}

func TestARebuildDoesNotPutAnothersHalfInPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, kurrentsim.Options{})
	tale := newTale(11)
	w.tell(tale, 50)
	w.rebuild()
	store := w.store()
	require.NoError(t, store.BeginRebuild(t.Context()))

	require.Error(t, store.FinishRebuild(t.Context(), postgres.ViewPosition{Commit: 77, Prepare: 77}))

	require.Equal(t, tale.expected(), w.shown())
}
