package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// newSecureRig returns a rig whose bridge runs as the plain user starter, and whose
// events are appended by an administrator.
func newSecureRig(t *testing.T) (*bridgeRig, *kurrentsimtest.Secure) {
	t.Helper()
	server := kurrentsimtest.StartSecure(t, kurrentsim.Options{}, kurrentsimtest.User("starter"), kurrentsimtest.User("opal", access.Operations))
	b := newBridgeRig(t)
	b.use(server.URLFor("starter"))
	bridged := b.bridge.events
	b.use(server.URLFor(kurrentsimtest.Admin))
	b.bridge.events = bridged
	return b, server
}

func TestBridgeRights(t *testing.T) {
	t.Parallel()
	t.Run("are requested until the first event grants them", func(t *testing.T) {
		t.Parallel()
		b, _ := newSecureRig(t)
		b.run()
		require.Eventually(t, func() bool { return b.blocked(obstacleRights) }, longEnough, waitTick)
		require.ErrorContains(t, b.bridge.ready(t.Context()), "create the group with starter group create")

		require.NoError(t, b.starter("group", "create").err)
		const want = "let their user read $ce-order with starter group create --grant USER; the first event of the category does the same"
		require.Eventually(t, func() bool {
			err := b.bridge.ready(t.Context())
			return err != nil && strings.Contains(err.Error(), want)
		}, longEnough, waitTick)

		id := newOrderID()
		b.append(id, placedEvent(id))
		b.awaitReady()
		require.False(t, b.blocked(obstacleRights))
		b.awaitCounts(map[result]int{resultStarted: 1})
	})
	t.Run("are granted before the first event", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		said := b.starter("group", "create", "--grant", "starter")
		require.NoError(t, said.err)
		require.Contains(t, said.stderr, "starter on $ce-order: granted [$r]\n")
		require.Contains(t, said.stderr, "starter on $persistentsubscription-$ce-order::fulfillment-parked: granted [$r $mr $mw]\n")
		said = b.starter("group", "create", "--grant", "starter")
		require.NoError(t, said.err)
		require.Contains(t, said.stderr, "starter on $ce-order: has the rights already\n")
		b.run()
		b.awaitReady()

		b.park(2)
		b.url = server.URLFor("starter")
		require.NoError(t, b.starter("parked", "list").err)
		require.NoError(t, b.starter("parked", "drop", "--until", "0", "--yes").err)
		require.Len(t, b.parked(t), 1)
		require.ErrorIs(t, b.starter("parked", "replay").err, kurrent.ErrAccessDenied, "a replay requires an operator")
	})
	t.Run("are lost to operators who are not administrators after a replay, which says what to restore", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		require.NoError(t, b.starter("group", "create", "--grant", "starter", "--grant", "opal").err)
		b.run()
		b.awaitReady()
		b.park(2)
		b.url = server.URLFor("opal")
		replayed := b.starter("parked", "replay", "--until", "0")
		require.ErrorIs(t, replayed.err, kurrent.ErrAccessDenied)
		require.Equal(t, 1, config.ExitCode(replayed.err))
		require.ErrorContains(t, replayed.err, `{"$acl":{"$mr":["$admins","starter","opal"]`)
		require.NotContains(t, replayed.stderr, "replayed")
		b.awaitCounts(map[result]int{resultParked: 3})
	})
	t.Run("survive an administrator's replay", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		require.NoError(t, b.starter("group", "create", "--grant", "starter").err)
		b.run()
		b.awaitReady()
		b.park(2)
		require.NoError(t, b.starter("parked", "replay", "--until", "0").err)
		b.url = server.URLFor("starter")
		require.NoError(t, b.starter("parked", "drop", "--until", "1", "--yes").err)
	})
	t.Run("are granted only by administrators", func(t *testing.T) {
		t.Parallel()
		b, server := newSecureRig(t)
		b.url = server.URLFor("opal")
		said := b.starter("group", "create", "--grant", "starter")
		require.ErrorContains(t, said.err, "is not an administrator")
		require.Contains(t, said.stderr, "group fulfillment on $ce-order: created")
	})
}
