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
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

var bridgeGroup = kurrent.GroupSettings{Stream: "$ce-order", Group: "fulfillment", MessageTimeout: 4 * time.Minute, BufferSize: 8}

func createGroup(t *testing.T, client *kurrent.Client, settings kurrent.GroupSettings) {
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

// placeOrders appends one event to each of count order streams.
func placeOrders(t *testing.T, client *kurrent.Client, from, count int) {
	t.Helper()
	for i := from; i < from+count; i++ {
		_, err := client.Append(t.Context(), fmt.Sprintf("order-%d", i), kurrent.NoStream(), kurrentsimtest.Event("order-placed", `{}`))
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
	case <-time.After(kurrentsimtest.WaitLimit):
		require.Fail(t, "nothing is delivered")
	}
	return kurrent.Delivery{}
}

// awaitError waits until Recv returns an error, skipping events that are still delivered.
func awaitError(t *testing.T, sub *kurrent.Subscription) error {
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
	case <-time.After(kurrentsimtest.WaitLimit):
		require.Fail(t, "the subscription goes on")
		return nil
	}
}

func TestSubscription_AckParkRetry(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	placeOrders(t, client, 0, 3)
	createGroup(t, client, bridgeGroup)
	sub := join(t, client, bridgeGroup)
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
		info, err := client.GroupInfo(t.Context(), bridgeGroup.Stream, bridgeGroup.Group)
		last = info
		return err == nil && as(info)
	}, kurrentsimtest.WaitLimit, 20*time.Millisecond)
	t.Logf("%+v", last)
}

func parked(t *testing.T, client *kurrent.Client) []string {
	t.Helper()
	return parkedTo(t.Context(), t, client)
}

// parkedTo is parked with another TestingT than the test's, such as a CollectT.
func parkedTo(ctx context.Context, t require.TestingT, client *kurrent.Client) []string {
	var lines []string
	err := client.Parked(ctx, bridgeGroup.Stream, bridgeGroup.Group, func(p kurrent.Parked) error {
		require.WithinDuration(t, time.Now(), p.At, 10*kurrentsimtest.WaitLimit)
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
	}, kurrentsimtest.WaitLimit, 10*time.Millisecond)
}

func TestSubscription_LinkWithoutTarget(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	placeOrders(t, client, 0, 1)
	_, err := kurrentsimtest.OfficialClient(t, server.URL()).TombstoneStream(t.Context(), "order-0", kurrentdb.TombstoneStreamOptions{})
	require.NoError(t, err)
	createGroup(t, client, bridgeGroup)
	sub := join(t, client, bridgeGroup)
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

func TestSubscription_AckBeforeClose(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	placeOrders(t, client, 0, 40)
	createGroup(t, client, bridgeGroup)
	seen := map[string]int{}
	for range 10 { // each acknowledges four events and leaves with others unacknowledged
		sub := join(t, client, bridgeGroup)
		for range 4 {
			d := receive(t, sub)
			seen[d.Event.Stream]++
			require.NoError(t, sub.Ack(d))
		}
		kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, sub.Close)
	}
	require.Len(t, seen, 40)
	requireInfo(t, client, func(info kurrent.GroupInfo) bool { return info == kurrent.GroupInfo{} })
}

func TestSubscription_ConcurrentAcks(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	placeOrders(t, client, 0, 300)
	settings := bridgeGroup
	settings.BufferSize = 64
	createGroup(t, client, settings)
	sub := join(t, client, settings)
	var acks sync.WaitGroup
	for i := range 300 {
		d := receive(t, sub)
		acks.Go(func() {
			if i%3 == 0 {
				assert.NoError(t, sub.Park(d, "every third"))
				return
			}
			assert.NoError(t, sub.Ack(d))
		})
	}
	acks.Wait()
	requireInfo(t, client, func(info kurrent.GroupInfo) bool { return info == kurrent.GroupInfo{Consumers: 1} })
	awaitParked(t, client, 100)
}

func TestSubscription_ServerRestart(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServerWith(t, kurrentsim.Options{DataDir: t.TempDir()})
	client := kurrentsimtest.OpenClient(t, server.URL())
	placeOrders(t, client, 0, 5)
	createGroup(t, client, bridgeGroup)
	done := map[string]bool{}
	for round := range 3 {
		sub := join(t, client, bridgeGroup)
		for range 5 {
			d := receive(t, sub)
			require.NoError(t, sub.Ack(d))
			done[d.Event.Stream] = true
		}
		server.Stop()
		require.ErrorIs(t, awaitError(t, sub), kurrent.ErrUnavailable)
		require.ErrorIs(t, awaitError(t, sub), kurrent.ErrUnavailable, "and on every later call")
		require.Error(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}))
		sub.Close()
		server.Start()
		placeOrders(t, client, 5*(round+1), 5)
	}
	require.GreaterOrEqual(t, len(done), 5)
}

func TestSubscription_DeletedGroup(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	_, err := client.Join(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, 8)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	_, err = client.GroupInfo(t.Context(), bridgeGroup.Stream, bridgeGroup.Group)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	require.Empty(t, parked(t, client))
	createGroup(t, client, bridgeGroup)
	sub := join(t, client, bridgeGroup)
	err = kurrentsimtest.OfficialClient(t, server.URL()).DeletePersistentSubscription(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, awaitError(t, sub), kurrent.ErrUnavailable)
	_, err = client.Join(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, 8)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
}

func TestSubscription_Close(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	for name, closing := range map[string]func(*kurrent.Client, *kurrent.Subscription){
		"its own":      func(_ *kurrent.Client, sub *kurrent.Subscription) { sub.Close() },
		"the client's": func(client *kurrent.Client, _ *kurrent.Subscription) { client.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			client := kurrentsimtest.OpenClient(t, server.URL())
			if _, _, err := client.EnsureGroup(t.Context(), bridgeGroup); err != nil {
				require.NoError(t, err)
			}
			sub := join(t, client, bridgeGroup)
			ended := make(chan error, 1)
			go func() {
				_, err := sub.Recv()
				ended <- err
			}()
			kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() {
				closing(client, sub)
				require.ErrorIs(t, <-ended, kurrent.ErrClosed)
			})
			require.ErrorIs(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}), kurrent.ErrClosed)
		})
	}
}

// A server that does not read acknowledgments blocks them once all buffers in between are
// full.
func TestSubscription_BlockedAck(t *testing.T) {
	t.Parallel()
	unresponsive := kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
		confirmation := &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}
		err := stream.SendMsg(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{SubscriptionConfirmation: confirmation}})
		<-stream.Context().Done()
		return err
	})
	for name, c := range map[string]struct {
		timeout time.Duration
		want    error
	}{
		"when it is closed":     {time.Minute, kurrent.ErrClosed},
		"when it took too long": {3 * time.Second, kurrent.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := kurrent.Open(kurrent.Config{URL: unresponsive, AllowPlaintext: true, CallTimeout: c.timeout})
			require.NoError(t, err)
			t.Cleanup(client.Close)
			sub := join(t, client, bridgeGroup)
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
			for stuck := false; !stuck; { // until no acknowledgment has been sent for a while
				select {
				case <-sent:
				case <-time.After(time.Second):
					stuck = true
				}
			}
			if c.timeout == time.Minute {
				go sub.Close()
			}
			kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() { require.ErrorIs(t, <-blocked, kurrent.ErrUnavailable) })
			require.ErrorIs(t, awaitError(t, sub), c.want)
		})
	}
}

func TestJoin_Context(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
		<-stream.Context().Done() // sends no confirmation
		return stream.Context().Err()
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() {
		_, err := client.Join(ctx, bridgeGroup.Stream, bridgeGroup.Group, 8)
		require.ErrorIs(t, err, kurrent.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})

	client = kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	createGroup(t, client, bridgeGroup)
	ctx, cancel = context.WithCancel(t.Context())
	sub, err := client.Join(ctx, bridgeGroup.Stream, bridgeGroup.Group, 8)
	require.NoError(t, err)
	defer sub.Close()
	cancel()
	placeOrders(t, client, 0, 1)
	require.Equal(t, "order-0", receive(t, sub).Event.Stream)
}

func TestSubscription_EndedByServer(t *testing.T) {
	t.Parallel()
	for code, want := range map[codes.Code]error{
		codes.Unavailable: kurrent.ErrUnavailable, codes.Canceled: kurrent.ErrUnavailable,
		codes.NotFound: kurrent.ErrNotFound, codes.PermissionDenied: kurrent.ErrAccessDenied,
	} {
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(&persistent.ReadReq{}); err != nil { // otherwise joining may fail, which is not tested here
				return err
			}
			confirmation := &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "s"}
			err := stream.SendMsg(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{SubscriptionConfirmation: confirmation}})
			if err == nil {
				err = status.Error(code, "ended")
			}
			return err
		}))
		require.ErrorIs(t, awaitError(t, join(t, client, bridgeGroup)), want)
	}
}

func TestSubscription_UnexpectedMessage(t *testing.T) {
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
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
				if err := stream.SendMsg(confirmation); err != nil {
					return err
				}
				if err := stream.SendMsg(strange); err != nil {
					return err
				}
				<-stream.Context().Done()
				return nil
			}))
			sub := join(t, client, bridgeGroup)
			require.ErrorIs(t, awaitError(t, sub), kurrent.ErrUnavailable)
			require.ErrorIs(t, sub.Ack(kurrent.Delivery{Event: &kurrent.Event{}}), kurrent.ErrUnavailable)
		})
	}
}
