package main

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// newSecureRig returns a rig whose starter runs as the plain user starter, and whose
// events are appended by an administrator. So are the commands run, unless the test says
// otherwise.
func newSecureRig(t *testing.T) (*starterRig, *kurrentsimtest.Secure) {
	t.Helper()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("starter"), kurrentsimtest.User("opal", access.Operations))
	return newStarterRigOn(t, server.URLFor(kurrentsimtest.Admin), "KURRENTDB_URL="+server.URLFor("starter")), server
}

func TestGroupRights(t *testing.T) {
	t.Parallel()
	t.Run("are requested until the first event grants them", func(t *testing.T) {
		t.Parallel()
		b, _ := newSecureRig(t)
		b.Run()
		b.Await("/metrics", http.StatusOK, `orderflow_bridge_blocked{by="rights"} 3`)
		b.Await("/readyz", http.StatusServiceUnavailable, "create the group with orderflow group create")

		require.NoError(t, b.orderflow("group", "create").err)
		const want = "let their user read $ce-order with orderflow group create --grant USER; the first event of the category does the same"
		b.Await("/readyz", http.StatusServiceUnavailable, want)

		id := startertest.NewOrderID()
		b.Append(id, startertest.PlacedEvent(id))
		b.Append(order.CreditDecisionStream(id), startertest.NewEvent("noted", struct{}{}))
		b.Append(credit.Stream("c"), startertest.NewEvent("noted", struct{}{}))
		b.AwaitReady()
		b.Await("/metrics", http.StatusOK, `orderflow_bridge_blocked{by="rights"} 0`)
		b.AwaitCounts(map[bridge.Result]int{bridge.Started: 1})
	})
	t.Run("are granted before the first event", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		said := b.orderflow("group", "create", "--grant", "starter")
		require.NoError(t, said.err)
		require.Contains(t, said.stderr, "starter on $ce-order: granted [$r]\n")
		require.Contains(t, said.stderr, "starter on $persistentsubscription-$ce-order::fulfillment-parked: granted [$r $mr $mw]\n")
		said = b.orderflow("group", "create", "--grant", "starter")
		require.NoError(t, said.err)
		require.Contains(t, said.stderr, "starter on $ce-order: has the rights already\n")
		b.Run()
		b.AwaitReady()

		b.park(2)
		b.url = server.URLFor("starter")
		require.NoError(t, b.orderflow("parked", "list").err)
		require.NoError(t, b.orderflow("parked", "drop", "--until", "0", "--yes").err)
		require.Len(t, b.Parked(t), 1)
		require.ErrorIs(t, b.orderflow("parked", "replay").err, kurrent.ErrAccessDenied, "a replay requires an operator")
	})
	t.Run("are lost to operators who are not administrators after a replay, which says what to restore", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		require.NoError(t, b.orderflow("group", "create", "--grant", "starter", "--grant", "opal").err)
		b.Run()
		b.AwaitReady()
		b.park(2)
		b.url = server.URLFor("opal")
		replayed := b.orderflow("parked", "replay", "--until", "0")
		require.ErrorIs(t, replayed.err, kurrent.ErrAccessDenied)
		require.Equal(t, 1, config.ExitCode(replayed.err))
		require.ErrorContains(t, replayed.err, `{"$acl":{"$mr":["$admins","starter","opal"]`)
		require.NotContains(t, replayed.stderr, "replayed")
		b.AwaitCounts(map[bridge.Result]int{bridge.Parked: 3})
	})
	t.Run("survive an administrator's replay", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		require.NoError(t, b.orderflow("group", "create", "--grant", "starter").err)
		b.Run()
		b.AwaitReady()
		b.park(2)
		require.NoError(t, b.orderflow("parked", "replay", "--until", "0").err)
		b.url = server.URLFor("starter")
		require.NoError(t, b.orderflow("parked", "drop", "--until", "1", "--yes").err)
	})
	t.Run("are granted only by administrators", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		b.url = server.URLFor("opal")
		said := b.orderflow("group", "create", "--grant", "starter")
		require.ErrorContains(t, said.err, "is not an administrator")
		require.Contains(t, said.stderr, "group fulfillment on $ce-order: created")
	})
}
