package projection

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

// tell appends the next steps of a history.
func (rig *projectorRig) appendSteps(t *orderHistory, steps int) {
	rig.t.Helper()
	for range steps {
		stream, event := t.step()
		rig.append(stream, event)
	}
}

// awaitHistory waits until the view matches the history.
func (rig *projectorRig) awaitHistory(t *orderHistory) {
	rig.t.Helper()
	want := t.expected()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.Equal(c, want, rig.viewLinesFor(c))
	}, waitLong, waitTick)
}

func TestProjection_MatchesStreamsAfterRestarts(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(1)
	rig.appendSteps(history, 100)
	for range 5 {
		stop := rig.start(rig.projector(rig.events))
		rig.appendSteps(history, 60)
		stop()
		rig.appendSteps(history, 20)
	}
	rig.start(rig.projector(rig.events))

	rig.awaitHistory(history)
}

func TestRebuild_RestoresView(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(2)
	stop := rig.start(rig.projector(rig.events))
	rig.appendSteps(history, 300)
	rig.awaitHistory(history)
	stop()
	_, err := rig.db.Exec(t.Context(), `UPDATE customer_order SET status = 'spoilt'; DELETE FROM customer_view WHERE customer_id = 'c-1'`)
	require.NoError(t, err)

	rig.rebuild()

	require.Equal(t, history.expected(), rig.viewLines())
}

func TestRebuild_WhileProjectorRuns(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(3)
	rig.start(rig.projector(rig.events))
	for range 4 {
		rig.appendSteps(history, 60)
		rig.rebuild()
		rig.appendSteps(history, 20)
	}

	rig.awaitHistory(history)
}

func TestRebuild_StartsAgainAfterInterruption(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(4)
	rig.appendSteps(history, 200)
	store := postgres.NewCustomerView(rig.pool())
	require.NoError(t, store.BeginRebuild(t.Context()))
	_, err := rig.db.Exec(t.Context(), `INSERT INTO customer_view_rebuild (customer_id, limit_minor, reserved_minor, credit_revision,
		updated_at) VALUES ('c-1', 1, 1, 99, now()); UPDATE projector_position SET commit_position = 5 WHERE view = 'rebuild'`)
	require.NoError(t, err)

	rig.rebuild()

	require.Equal(t, history.expected(), rig.viewLines())
}

func TestProjection_TwoWritersWithoutLock(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(5)
	rig.appendSteps(history, 200)
	var working sync.WaitGroup
	for range 2 { // without the leader lock
		p := rig.projector(rig.events)
		working.Go(func() {
			for t.Context().Err() == nil {
				_ = p.session(t.Context())
			}
		})
	}
	t.Cleanup(working.Wait)
	rig.appendSteps(history, 200)

	rig.awaitHistory(history)
}

func TestRun_StandbyTakesOver(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(6)
	first, second := rig.projector(rig.events), rig.projector(rig.events)
	stop := rig.start(first)
	rig.appendSteps(history, 50)
	rig.awaitHistory(history)
	rig.start(second)
	rig.appendSteps(history, 50)
	rig.awaitHistory(history)
	require.Error(t, second.Ready(t.Context()), "it has never led")
	stop()
	rig.appendSteps(history, 50)

	rig.awaitHistory(history)
	require.Eventually(t, func() bool { return second.Ready(t.Context()) == nil }, waitLong, waitTick)
}

func TestRun_FollowsAgainAfterStalledConnection(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	proxy, err := faultproxy.Start(rig.server.Addr())
	require.NoError(t, err)
	t.Cleanup(func() { _ = proxy.Close() })
	address, err := url.Parse(rig.server.URL())
	require.NoError(t, err)
	through := strings.Replace(rig.server.URL(), address.Host, proxy.Addr(), 1) + "&keepAliveInterval=1000&keepAliveTimeout=1000"
	history := newHistory(7)
	var log logBuffer
	rig.startLogging(rig.projector(rig.client(through)), &log)
	rig.appendSteps(history, 50)
	rig.awaitHistory(history)

	proxy.Stall(faultproxy.Downstream) // the connection stays open but delivers nothing
	rig.appendSteps(history, 50)
	require.Eventually(t, func() bool { return log.contains("following the log ended") }, waitLong, waitTick)
	require.NotEqual(t, history.expected(), rig.viewLines())
	proxy.Resume()

	rig.awaitHistory(history)
}

func TestRun_MinimalDatabaseRights(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(8)
	rig.appendSteps(history, 100)
	address, err := url.Parse(rig.url)
	require.NoError(t, err)
	role := "projector_of_" + strings.Trim(address.Path, "/") // roles belong to the whole cluster
	_, err = rig.db.Exec(t.Context(), fmt.Sprintf(`CREATE ROLE %[1]s LOGIN PASSWORD 'secret'; SELECT orderflow_grant_projector('%[1]s')`, role))
	require.NoError(t, err)
	address.User = url.UserPassword(role, "secret")
	rig.url = address.String()

	rig.rebuild()
	require.Equal(t, history.expected(), rig.viewLines())
	rig.start(rig.projector(rig.events))
	rig.appendSteps(history, 100)
	rig.awaitHistory(history)

	stranger, err := pgx.Connect(t.Context(), rig.url)
	require.NoError(t, err)
	defer func() { _ = stranger.Close(t.Context()) }()
	_, err = stranger.Exec(t.Context(), `SELECT FROM order_fulfillment`)
	require.ErrorContains(t, err, "permission denied")
}

// Invalid values are normally detected before they are stored. This covers a value that
// is not.
func TestStoreBatch_SkipsRejectedChange(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	_, err := rig.db.Exec(t.Context(), `ALTER TABLE customer_order ADD CHECK (carrier <> 'DHL' OR order_id <> 'order-0')`)
	require.NoError(t, err)
	history := newHistory(9)
	rig.appendSteps(history, 20)
	rig.append("fulfillment-order-0", newEvent("order-shipped", map[string]any{
		"orderId": "order-0", "customerId": history.orders["order-0"].Customer, "status": "shipped", "total": money(1210), "carrier": "DHL",
	}))
	p := rig.projector(rig.events)
	rig.start(p)
	stream, event := history.place()
	rig.append(stream, event)

	require.Eventually(t, func() bool {
		var found bool
		return rig.db.QueryRow(t.Context(), `SELECT true FROM customer_order WHERE order_id = $1`, stream).Scan(&found) == nil
	}, waitLong, waitTick)
	require.Positive(t, testutil.ToFloat64(p.metrics.refused))
}

func TestProjection_IgnoresEventsThatNoTableCanHold(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(10)
	rig.appendSteps(history, 50)
	rig.append("credit-"+strings.Repeat("x", 500), newEvent("credit-account-opened", map[string]any{
		"customerId": strings.Repeat("x", 500), "limit": money(1),
	}))
	rig.append("fulfillment-order-0", newEvent("order-shipped", map[string]any{
		"orderId": "order-0", "customerId": "c-0", "status": "shipped", "total": money(1210), "carrier": "a\x00b",
	}))
	p := rig.projector(rig.events)
	rig.start(p)
	rig.appendSteps(history, 50)

	rig.awaitHistory(history)
	require.Zero(t, testutil.ToFloat64(p.metrics.refused))
}

func TestFinishRebuild_RejectsAnotherRebuild(t *testing.T) {
	t.Parallel()
	rig := newProjectorRig(t, kurrentsim.Options{})
	history := newHistory(11)
	rig.appendSteps(history, 50)
	rig.rebuild()
	store := postgres.NewCustomerView(rig.pool())
	require.NoError(t, store.BeginRebuild(t.Context()))

	require.Error(t, store.FinishRebuild(t.Context(), postgres.ViewPosition{Commit: 77, Prepare: 77}))

	require.Equal(t, history.expected(), rig.viewLines())
}
