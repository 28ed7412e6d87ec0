package kurrent_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
)

var bridge = kurrent.GroupSettings{Stream: "$ce-order", Group: "fulfillment", MessageTimeout: 4 * time.Minute, BufferSize: 8}

func ensure(t *testing.T, client *kurrent.Client, settings kurrent.GroupSettings) {
	t.Helper()
	_, created, err := client.EnsureGroup(t.Context(), settings)
	require.NoError(t, err)
	require.True(t, created)
}

func join(t *testing.T, client *kurrent.Client, settings kurrent.GroupSettings) *kurrent.Subscription {
	t.Helper()
	sub, err := client.Join(t.Context(), settings.Stream, settings.Group, settings.BufferSize)
	require.NoError(t, err)
	t.Cleanup(sub.Close)
	return sub
}

// place appends one event to each of count order streams.
func place(t *testing.T, client *kurrent.Client, from, count int) {
	t.Helper()
	for i := from; i < from+count; i++ {
		_, err := client.Append(t.Context(), fmt.Sprintf("order-%d", i), kurrent.NoStream(), event("order-placed", `{}`))
		require.NoError(t, err)
	}
}

func receive(t *testing.T, sub *kurrent.Subscription) kurrent.Delivery {
	t.Helper()
	received := make(chan kurrent.Delivery, 1)
	failed := make(chan error, 1)
	go func() {
		d, err := sub.Recv()
		if err != nil {
			failed <- err
			return
		}
		received <- d
	}()
	select {
	case d := <-received:
		return d
	case err := <-failed:
		require.NoError(t, err)
	case <-time.After(patience):
		require.Fail(t, "nothing is delivered")
	}
	return kurrent.Delivery{}
}

// ends waits for Recv to give its error, passing over what is still delivered.
func ends(t *testing.T, sub *kurrent.Subscription) error {
	t.Helper()
	failed := make(chan error, 1)
	go func() {
		for {
			if _, err := sub.Recv(); err != nil {
				failed <- err
				return
			}
		}
	}()
	select {
	case err := <-failed:
		return err
	case <-time.After(patience):
		require.Fail(t, "the subscription goes on")
		return nil
	}
}

func TestEventsAreDeliveredThroughTheirLinksAndAnswered(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	place(t, client, 0, 3)
	ensure(t, client, bridge)
	sub := join(t, client, bridge)
	for i := range 3 {
		d := receive(t, sub)
		require.Equal(t, fmt.Sprintf("order-%d", i), d.Event.Stream)
		require.Equal(t, "$ce-order", d.Link.Stream)
		require.Equal(t, uint64(i), d.Link.Revision)
		require.Zero(t, d.RetryCount)
		switch i {
		case 0:
			require.NoError(t, sub.Ack(d))
		case 1:
			require.NoError(t, sub.Park(d, "customerId: must be there"))
		case 2:
			require.NoError(t, sub.Retry(d, "again"))
			again := receive(t, sub)
			require.Equal(t, d.Event.ID, again.Event.ID)
			require.Equal(t, 1, again.RetryCount)
			require.NoError(t, sub.Ack(again))
		}
	}
	requireInfo(t, client, func(info kurrent.GroupInfo) bool {
		return info == kurrent.GroupInfo{Consumers: 1}
	})
	awaitParked(t, client, 1)
	require.Equal(t, []string{"0@order-1 customerId: must be there"}, parked(t, client))
}

func requireInfo(t *testing.T, client *kurrent.Client, as func(kurrent.GroupInfo) bool) {
	t.Helper()
	var last kurrent.GroupInfo
	require.Eventually(t, func() bool {
		info, err := client.GroupInfo(t.Context(), bridge.Stream, bridge.Group)
		last = info
		return err == nil && as(info)
	}, patience, 20*time.Millisecond)
	t.Logf("%+v", last)
}

func parked(t *testing.T, client *kurrent.Client) []string {
	t.Helper()
	return parkedTo(t.Context(), t, client)
}

// parkedTo tells somebody else than the test what is wrong.
func parkedTo(ctx context.Context, t require.TestingT, client *kurrent.Client) []string {
	var lines []string
	err := client.Parked(ctx, bridge.Stream, bridge.Group, func(p kurrent.Parked) error {
		require.WithinDuration(t, time.Now(), p.At, 10*patience)
		if p.Event != nil {
			require.Equal(t, p.Stream, p.Event.Stream)
		}
		lines = append(lines, fmt.Sprintf("%d@%s %s", p.Revision, p.Stream, p.Reason))
		return nil
	})
	require.NoError(t, err)
	return lines
}

func awaitParked(t *testing.T, client *kurrent.Client, count int) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Len(c, parkedTo(t.Context(), c, client), count)
	}, patience, 10*time.Millisecond)
}

func TestALinkWhoseTargetIsGoneComesAlone(t *testing.T) {
	t.Parallel()
	server := sim(t)
	client := open(t, server.url())
	place(t, client, 0, 1)
	_, err := bare(t, server.url()).TombstoneStream(t.Context(), "order-0", kurrentdb.TombstoneStreamOptions{})
	require.NoError(t, err)
	ensure(t, client, bridge)
	sub := join(t, client, bridge)
	d := receive(t, sub)
	require.Nil(t, d.Event)
	stream, revision, ok := kurrent.LinkTarget(*d.Link)
	require.True(t, ok)
	require.Equal(t, "order-0", stream)
	require.Zero(t, revision)
	_, err = client.ReadLinkTarget(t.Context(), *d.Link)
	require.ErrorIs(t, err, kurrent.ErrDeleted)
	require.NoError(t, sub.Park(d, "gone"))
	awaitParked(t, client, 1)
	require.Equal(t, []string{"0@order-0 gone"}, parked(t, client))
}

func TestWhatWasAcknowledgedBeforeLeavingIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	place(t, client, 0, 40)
	ensure(t, client, bridge)
	seen := map[string]int{}
	for range 10 { // each stays for four events and leaves with the others it was sent in hand
		sub := join(t, client, bridge)
		for range 4 {
			d := receive(t, sub)
			seen[d.Event.Stream]++
			require.NoError(t, sub.Ack(d))
		}
		within(t, soon, sub.Close)
	}
	require.Len(t, seen, 40)
	requireInfo(t, client, func(info kurrent.GroupInfo) bool { return info == kurrent.GroupInfo{} })
}

func TestManyAnswerAtOnce(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	place(t, client, 0, 300)
	settings := bridge
	settings.BufferSize = 64
	ensure(t, client, settings)
	sub := join(t, client, settings)
	var answers sync.WaitGroup
	for i := range 300 {
		d := receive(t, sub)
		answers.Go(func() {
			if i%3 == 0 {
				assert.NoError(t, sub.Park(d, "every third"))
				return
			}
			assert.NoError(t, sub.Ack(d))
		})
	}
	answers.Wait()
	requireInfo(t, client, func(info kurrent.GroupInfo) bool { return info == kurrent.GroupInfo{Consumers: 1} })
	awaitParked(t, client, 100)
}

func TestAfterARestartOfTheServerAConsumerJoinsAgain(t *testing.T) {
	t.Parallel()
	server := simWith(t, kurrentsim.Options{DataDir: t.TempDir()})
	client := open(t, server.url())
	place(t, client, 0, 5)
	ensure(t, client, bridge)
	done := map[string]bool{}
	for round := range 3 {
		sub := join(t, client, bridge)
		for range 5 {
			d := receive(t, sub)
			require.NoError(t, sub.Ack(d))
			done[d.Event.Stream] = true
		}
		server.stop()
		require.ErrorIs(t, ends(t, sub), kurrent.ErrUnavailable)
		require.ErrorIs(t, ends(t, sub), kurrent.ErrUnavailable, "and so for ever")
		require.Error(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}))
		sub.Close()
		server.start()
		place(t, client, 5*(round+1), 5)
	}
	require.GreaterOrEqual(t, len(done), 5)
}

func TestAGroupThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	server := sim(t)
	client := open(t, server.url())
	_, err := client.Join(t.Context(), bridge.Stream, bridge.Group, 8)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	_, err = client.GroupInfo(t.Context(), bridge.Stream, bridge.Group)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	require.Empty(t, parked(t, client))
	ensure(t, client, bridge)
	sub := join(t, client, bridge)
	err = bare(t, server.url()).DeletePersistentSubscription(t.Context(), bridge.Stream, bridge.Group, kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, ends(t, sub), kurrent.ErrUnavailable)
	_, err = client.Join(t.Context(), bridge.Stream, bridge.Group, 8)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
}

func TestClosingEndsASubscription(t *testing.T) {
	t.Parallel()
	server := sim(t)
	for name, closing := range map[string]func(*kurrent.Client, *kurrent.Subscription){
		"its own":      func(_ *kurrent.Client, sub *kurrent.Subscription) { sub.Close() },
		"the client's": func(client *kurrent.Client, _ *kurrent.Subscription) { client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, server.url())
			if _, _, err := client.EnsureGroup(t.Context(), bridge); err != nil {
				require.NoError(t, err)
			}
			sub := join(t, client, bridge)
			ended := make(chan error, 1)
			go func() {
				_, err := sub.Recv()
				ended <- err
			}()
			within(t, soon, func() {
				closing(client, sub)
				require.ErrorIs(t, <-ended, kurrent.ErrClosed)
			})
			require.ErrorIs(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}), kurrent.ErrClosed)
		})
	}
}

// A server that reads no answers blocks them one day, when all buffers in between are full.
func TestAnAnswerThatBlocksEndsWithTheSubscription(t *testing.T) {
	t.Parallel()
	deaf := startStub(t, func(_ string, stream grpc.ServerStream) error {
		confirmation := &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}
		err := stream.SendMsg(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{SubscriptionConfirmation: confirmation}})
		<-stream.Context().Done()
		return err
	})
	for name, c := range map[string]struct {
		timeout time.Duration
		want    error
	}{
		"when it is closed":         {time.Minute, kurrent.ErrClosed},
		"when it took for too long": {300 * time.Millisecond, kurrent.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kurrent.Open(kurrent.Config{URL: deaf, AllowPlaintext: true, CallTimeout: c.timeout})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			sub := join(t, client, bridge)
			sent := make(chan struct{}, 1)
			blocked := make(chan error, 1)
			go func() {
				for {
					if err := sub.Park(kurrent.Delivery{Event: &kurrent.Event{}}, string(make([]byte, 1024))); err != nil {
						blocked <- err
						return
					}
					select {
					case sent <- struct{}{}:
					default:
					}
				}
			}()
			for stuck := false; !stuck; { // until no answer has gone out for a while
				select {
				case <-sent:
				case <-time.After(time.Second):
					stuck = true
				}
			}
			if c.timeout == time.Minute {
				go sub.Close()
			}
			within(t, soon, func() { require.ErrorIs(t, <-blocked, kurrent.ErrUnavailable) })
			require.ErrorIs(t, ends(t, sub), c.want)
		})
	}
}

func TestJoiningEndsWithItsContextAndTheSubscriptionDoesNot(t *testing.T) {
	t.Parallel()
	client := open(t, startStub(t, func(_ string, stream grpc.ServerStream) error {
		<-stream.Context().Done() // and no confirmation
		return stream.Context().Err()
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	within(t, soon, func() {
		_, err := client.Join(ctx, bridge.Stream, bridge.Group, 8)
		require.ErrorIs(t, err, kurrent.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})

	client = open(t, sim(t).url())
	ensure(t, client, bridge)
	ctx, cancel = context.WithCancel(t.Context())
	sub, err := client.Join(ctx, bridge.Stream, bridge.Group, 8)
	require.NoError(t, err)
	defer sub.Close()
	cancel()
	place(t, client, 0, 1)
	require.Equal(t, "order-0", receive(t, sub).Event.Stream)
}

func TestASubscriptionTellsWhyTheServerEndedIt(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]error{
		codes.Unavailable: kurrent.ErrUnavailable, codes.Canceled: kurrent.ErrUnavailable,
		codes.NotFound: kurrent.ErrNotFound, codes.PermissionDenied: kurrent.ErrAccessDenied,
	} {
		client := open(t, startStub(t, func(_ string, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(&persistent.ReadReq{}); err != nil { // or joining may fail, which is another story
				return err
			}
			confirmation := &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}
			err := stream.SendMsg(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{SubscriptionConfirmation: confirmation}})
			if err == nil {
				err = status.Error(code, "ended")
			}
			return err
		}))
		require.ErrorIs(t, ends(t, join(t, client, bridge)), want)
	}
}

func TestAMessageNobodyExpectsEndsASubscription(t *testing.T) {
	t.Parallel()
	confirmation := &persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"},
	}}
	for name, strange := range map[string]*persistent.ReadResp{
		"a second confirmation":         confirmation,
		"nothing":                       {},
		"an event that is none":         {Content: &persistent.ReadResp_Event{}},
		"neither an event nor its link": {Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{}}},
		"an event without its id, its stream and all the rest": {Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{
			Event: &persistent.ReadResp_ReadEvent_RecordedEvent{Metadata: map[string]string{"created": "0"}},
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, startStub(t, func(_ string, stream grpc.ServerStream) error {
				if err := stream.SendMsg(confirmation); err != nil {
					return err
				}
				if err := stream.SendMsg(strange); err != nil {
					return err
				}
				<-stream.Context().Done()
				return nil
			}))
			sub := join(t, client, bridge)
			require.ErrorIs(t, ends(t, sub), kurrent.ErrUnavailable)
			require.ErrorIs(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}), kurrent.ErrUnavailable)
		})
	}
}
