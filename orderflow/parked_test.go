package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/bridge"
	"orderflow/dev/faultproxy"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// park makes the starter park events of orders that cannot be placed, one after the other.
// No other event may be about to be parked.
func (b *starterRig) park(count int) (streams []string) {
	b.t.Helper()
	before := len(b.Parked(b.t))
	for n := range count {
		id := startertest.NewOrderID()
		streams = append(streams, id)
		b.Append(id, startertest.NewEvent(order.TypePaid, map[string]any{"amount": 12}))
		b.AwaitParked(before + n + 1)
	}
	return streams
}

func TestListParked(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	b.Run()
	b.AwaitReady()
	require.Equal(t, "group fulfillment on $ce-order has parked nothing\n", b.orderflow("parked", "list").stdout)
	require.JSONEq(t, `{"parked":[]}`, b.orderflow("parked", "list", "-o", "json").stdout)
	streams := b.park(5)

	var page parkedPage
	listed := b.orderflow("parked", "list", "-o", "json", "--limit", "2")
	require.NoError(t, listed.err)
	require.NoError(t, json.Unmarshal([]byte(listed.stdout), &page))
	require.Len(t, page.Parked, 2)
	require.Equal(t, uint64(2), *page.Next)
	require.Equal(t, uint64(1), page.Parked[1].Number)
	require.Equal(t, streams[1], page.Parked[1].Stream)
	require.Equal(t, order.TypePaid, page.Parked[1].Type)
	require.Contains(t, page.Parked[1].Reason, "amount: ")
	require.WithinDuration(t, time.Now(), page.Parked[1].ParkedAt, time.Minute)

	table := b.orderflow("parked", "list", "--from", "2", "--limit", "2").stdout
	lines := strings.Split(strings.TrimSpace(table), "\n")
	require.Len(t, lines, 4)
	require.Regexp(t, `^NUMBER +EVENT +TYPE +EVENT ID +PARKED AT +REASON$`, lines[0])
	require.Regexp(t, `^2 +`+streams[2]+`@0 +order-paid +[0-9a-f-]{36} +\S+Z +amount: `, lines[1])
	require.Equal(t, "there is more: --from 4", lines[3])
	require.NotContains(t, b.orderflow("parked", "list").stdout, "there is more")
}

func TestShowParked(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	b.Run()
	id := startertest.NewOrderID()
	event := startertest.PlacedEvent(id)
	event.Data = []byte(strings.Replace(string(event.Data), `"quantity":2`, `"quantity":0`, 1))
	event.Metadata = []byte(`{"$correlationId":"cart-1"}`)
	b.Append(id, event)
	b.AwaitParked(1)

	for _, args := range [][]string{{"parked", "show", "0"}, {"parked", "show", "0", "-o", "json"}} {
		shown := b.orderflow(args...)
		require.NoError(t, shown.err)
		for _, want := range []string{"lineItems[0].quantity: ", id, order.TypePlaced, event.ID.String(), "cart-1"} {
			require.Contains(t, shown.stdout, want)
		}
		require.NotContains(t, shown.stdout, "ada@example.com")
		require.Contains(t, b.orderflow(append(args, "--body")...).stdout, "ada@example.com")
	}
	require.EqualError(t, b.orderflow("parked", "show", "1").err, "show: group fulfillment on $ce-order has parked no event 1")
}

func TestReplayParked_UntilNumber(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	_, _, err := b.Events.EnsureGroup(t.Context(), kurrent.GroupSettings{
		Stream: startertest.Stream, Group: startertest.Group, MessageTimeout: time.Minute, BufferSize: 64,
	})
	require.NoError(t, err)
	b.Run("STARTER_MESSAGE_TIMEOUT=2s") // it waits half as long for the order
	id := startertest.NewOrderID()
	b.Append(id, startertest.NewEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"}))
	b.AwaitParked(1)
	b.park(2)

	b.Append(id, startertest.PlacedEvent(id)) // the cause is fixed: the order is placed
	b.AwaitCounts(map[bridge.Result]int{bridge.Started: 1})
	replayed := b.orderflow("parked", "replay", "--until", "0")
	require.NoError(t, replayed.err)
	require.Contains(t, replayed.stderr, "replayed 1 event, number 0")
	b.AwaitCounts(map[bridge.Result]int{bridge.Signalled: 1, bridge.Parked: 3})
	require.Equal(t, 1, b.signals(id))
	require.Eventually(t, func() bool { return b.numbers() == "1 2" }, longEnough, waitTick)

	require.EqualError(t, b.orderflow("parked", "replay", "--until", "0").err,
		"replay: group fulfillment on $ce-order has parked no event 0, but 2 events, numbers 1 to 2")
	require.NoError(t, b.orderflow("parked", "replay").err)
	require.Eventually(t, func() bool { return b.numbers() == "3 4" }, longEnough, waitTick,
		"events that are still invalid are parked again, with new numbers")
}

// numbers returns the numbers of the parked events in order, or why they are unknown.
func (b *starterRig) numbers() string {
	b.t.Helper()
	listed := b.orderflow("parked", "list", "-o", "json")
	var page parkedPage
	if err := errors.Join(listed.err, json.Unmarshal([]byte(listed.stdout), &page)); err != nil {
		return err.Error()
	}
	var numbers []string
	for _, line := range page.Parked {
		numbers = append(numbers, strconv.FormatUint(line.Number, 10))
	}
	return strings.Join(numbers, " ")
}

func TestReplayParked(t *testing.T) {
	t.Parallel()
	t.Run("restores the access list", func(t *testing.T) {
		t.Parallel()
		b := newStarterRig(t)
		b.Run()
		b.park(2)
		metadata := "$$$persistentsubscription-$ce-order::fulfillment-parked"
		_, err := b.Events.Append(t.Context(), metadata, kurrent.NoStream(), newMetadata(`{"$acl":{"$r":"support"},"team":"orders"}`))
		require.NoError(t, err)

		require.NoError(t, b.orderflow("parked", "replay", "--until", "0").err)
		back, err := b.Events.ReadEvent(t.Context(), metadata, 3) // the claim is at 1, the server's own write at 2
		require.NoError(t, err)
		require.JSONEq(t, `{"$tb":1,"$acl":{"$r":"support"},"team":"orders"}`, string(back.Data))
	})
	t.Run("succeeds though the response was lost", func(t *testing.T) {
		t.Parallel()
		b := newStarterRig(t)
		b.Run()
		b.park(2)
		b.relayReplays(func(pass func() error) error {
			require.NoError(t, pass())
			return status.Error(codes.Unavailable, "cut off")
		})
		replayed := b.orderflow("parked", "replay", "--until", "0")
		require.NoError(t, replayed.err)
		require.Contains(t, replayed.stderr, "replayed 1 event, number 0")
	})
	t.Run("fails when another replay ran in its place", func(t *testing.T) {
		t.Parallel()
		b := newStarterRig(t)
		b.Run()
		b.park(3)
		admin := b.admin()
		b.relayReplays(func(func() error) error { // a server replies this way when a replay is already running
			return admin.ReplayParkedMessages(t.Context(), "$ce-order", "fulfillment", kurrentdb.ReplayParkedMessagesOptions{StopAt: 2})
		})
		replayed := b.orderflow("parked", "replay", "--until", "0")
		require.ErrorContains(t, replayed.err, "the remaining events begin at number 2")
		require.Equal(t, 1, config.ExitCode(replayed.err))
		require.NotContains(t, replayed.stderr, "replayed")
	})
	t.Run("says what to restore when it is interrupted before the replay", func(t *testing.T) {
		t.Parallel()
		b := newStarterRig(t)
		b.Run()
		b.park(2)
		metadata := "$$$persistentsubscription-$ce-order::fulfillment-parked"
		_, err := b.Events.Append(t.Context(), metadata, kurrent.NoStream(), newMetadata(`{"$acl":{"$r":"support"},"team":"orders"}`))
		require.NoError(t, err)
		b.relayReplays(func(func() error) error { return nil })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan commandResult, 1)
		go func() {
			stdin, _ := os.Open(os.DevNull)
			defer stdin.Close()
			ended <- b.orderflowAt(ctx, stdin, "parked", "replay", "--until", "0")
		}()
		require.Eventually(t, func() bool {
			_, err := b.Events.ReadEvent(t.Context(), metadata, 1) // the claim
			return err == nil
		}, longEnough, waitTick)
		require.Never(t, func() bool { return len(ended) > 0 }, 300*time.Millisecond, waitTick)
		cancel()
		replayed := <-ended
		require.ErrorIs(t, replayed.err, context.Canceled)
		require.Equal(t, 1, config.ExitCode(replayed.err))
		require.ErrorContains(t, replayed.err, `{"$acl":{"$r":"support"},"team":"orders"}`)
		require.NotContains(t, replayed.stderr, "replayed")
	})
}

// relayReplays puts a relay between the commands and the server, where reply handles a
// request to replay.
func (b *starterRig) relayReplays(reply func(pass func() error) error) {
	b.t.Helper()
	address, options, _ := strings.Cut(strings.TrimPrefix(b.url, "kurrentdb://"), "?")
	relay, err := faultproxy.StartRelay(address)
	require.NoError(b.t, err)
	b.t.Cleanup(func() { require.NoError(b.t, relay.Close()) })
	relay.Handle("PersistentSubscriptions/ReplayParked", reply)
	b.url = "kurrentdb://" + relay.Addr() + "?" + options
}

func TestReplayParked_NoConsumer(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	stop := b.Run()
	b.park(1)
	stop()
	require.Eventually(t, func() bool {
		info, err := b.Events.GroupInfo(t.Context(), "$ce-order", "fulfillment")
		return err == nil && info.Consumers == 0
	}, longEnough, waitTick)
	require.ErrorContains(t, b.orderflow("parked", "replay").err, "start one first")
	require.Equal(t, "0", b.numbers())
}

func TestDropParked_UntilNumber(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	b.Run()
	streams := b.park(3)
	metadata := "$$$persistentsubscription-$ce-order::fulfillment-parked"
	_, err := b.Events.Append(t.Context(), metadata, kurrent.NoStream(), newMetadata(`{"$acl":{"$r":"support"},"team":"orders"}`))
	require.NoError(t, err)

	dropped := b.orderflow("parked", "drop", "--until", "1", "--yes")
	require.NoError(t, dropped.err)
	require.Contains(t, dropped.stderr, "dropped 2 events, numbers 0 to 1")
	require.Equal(t, "2", b.numbers())
	newest, err := b.Events.ReadEvent(t.Context(), metadata, 1)
	require.NoError(t, err)
	require.JSONEq(t, `{"$acl":{"$r":"support"},"team":"orders","$tb":2}`, string(newest.Data))
	_, err = b.Events.ReadEvent(t.Context(), streams[0], 0)
	require.NoError(t, err, "the event itself stays")

	require.EqualError(t, b.orderflow("parked", "drop", "--until", "7", "--yes").err,
		"drop: group fulfillment on $ce-order has parked no event 7, but 1 event, number 2")
	require.NoError(t, b.orderflow("parked", "drop", "--until", "2", "--yes").err)
	require.EqualError(t, b.orderflow("parked", "drop", "--until", "2", "--yes").err,
		"drop: group fulfillment on $ce-order has parked nothing")
	b.park(1)
	require.Equal(t, "3", b.numbers(), "an event parked later is listed")
}

func newMetadata(data string) kurrent.NewEvent {
	return kurrent.NewEvent{ID: startertest.NewEvent("x", 1).ID, Type: "$metadata", Data: []byte(data)}
}

func TestParkedCommands_InvalidArguments(t *testing.T) {
	t.Parallel()
	b := newStarterRig(t)
	for name, c := range map[string]struct {
		args []string
		want string
		code int
	}{
		"drop without --yes":            {[]string{"parked", "drop", "--until", "3"}, "--yes: is required without a terminal to ask on", 2},
		"drop without --until":          {[]string{"parked", "drop", "--yes"}, "--until: is required", 2},
		"a number below zero":           {[]string{"parked", "show", "-1"}, "arguments: unknown shorthand flag: '1' in -1", 2},
		"a number that is not a number": {[]string{"parked", "show", "first"}, "N: must be a number as parked list shows it", 2},
		"no number":                     {[]string{"parked", "show"}, "N: is required", 2},
		"an unknown format":             {[]string{"parked", "list", "-o", "yaml"}, "--output: must be table or json", 2},
		"a list without a limit":        {[]string{"parked", "list", "--limit", "0"}, "--limit: must be from 1 to 10000", 2},
		"an unknown command":            {[]string{"parked", "lose"}, "arguments: orderflow parked must be followed by one of: ", 2},
		"a group that does not exist":   {[]string{"parked", "list"}, "list: info of group $ce-order::fulfillment: not found", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := b.orderflow(c.args...)
			require.ErrorContains(t, got.err, c.want)
			require.Equal(t, c.code, config.ExitCode(got.err))
		})
	}
}

func TestParkedCommands_AllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	c := cli{args: []string{"parked", "list", "--limit", "0"}, environ: []string{"STARTER_GROUP=a b"}, stderr: io.Discard}
	require.EqualError(t, c.run(t.Context()), "--limit: must be from 1 to 10000\nKURRENTDB_URL: is required\n"+
		"STARTER_GROUP: must be a group name without blanks, : and /")
}

func TestRun_Help(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--help"}, {"-h"}, {"help"}, {"parked", "--help"}, {"parked", "list", "-h"}, {"parked", "drop", "--until", "3", "--help"}, {"group", "create", "--help"},
	} {
		var stdout, stderr bytes.Buffer
		c := cli{args: args, stdout: &stdout, stderr: &stderr}
		require.NoError(t, c.run(t.Context()), args)
		require.Contains(t, stdout.String(), "Usage:", args)
		require.Empty(t, stderr.String(), args)
	}
}
