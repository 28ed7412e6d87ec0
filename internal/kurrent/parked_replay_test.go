package kurrent_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

const parkedMetadata = "$$$persistentsubscription-$ce-order::fulfillment-parked"

func TestReplayParked(t *testing.T) {
	t.Parallel()
	replay := func(t *testing.T, client *kurrent.Client, seen kurrent.ParkedBoundary, until uint64) error {
		t.Helper()
		_, err := client.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, until)
		return err
	}
	t.Run("does not bring back what was dropped since the boundary was seen", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 5)
		seen := boundary(t, client)
		require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 3))
		require.ErrorIs(t, replay(t, client, seen, 1), kurrent.ErrWrongRevision)
		require.Equal(t, []string{"0@order-4 no"}, parked(t, client))
	})
	t.Run("refuses a number below the boundary", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 3)
		require.NoError(t, client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 1))
		require.ErrorIs(t, replay(t, client, boundary(t, client), 1), kurrent.ErrInvalid)
		require.ErrorIs(t, replay(t, client, boundary(t, client), math.MaxUint64), kurrent.ErrInvalid)
		require.Equal(t, []string{"0@order-2 no"}, parked(t, client))
	})
	t.Run("blocks a drop, a grant and another replay until it has ended", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 3)
		held, release := make(chan struct{}), make(chan struct{})
		r.gateway.OnReplay(func(ctx context.Context, request *persistent.ReplayParkedReq) error {
			close(held)
			<-release
			return r.gateway.ForwardReplay(ctx, request)
		})
		replayed := make(chan error, 1)
		seen := boundary(t, r.viaGateway)
		go func() {
			claimed, err := r.viaGateway.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 1)
			if err == nil {
				_, err = r.viaGateway.AwaitReplay(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
			}
			replayed <- err
		}()
		<-held
		running := boundary(t, r.client)
		require.True(t, running.Claimed())
		require.ErrorIs(t, r.client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, running, 1), kurrent.ErrReplaying)
		require.ErrorIs(t, replay(t, r.client, running, 1), kurrent.ErrReplaying)
		_, err := r.client.GrantGroup(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, "starter")
		require.ErrorIs(t, err, kurrent.ErrReplaying)
		require.Len(t, parked(t, r.client), 3)
		close(release)
		require.NoError(t, <-replayed)
		require.JSONEq(t, `{"$tb":2,"$acl":{"$r":"support"},"team":"orders"}`, newestMetadata(t, r.client))
		require.NoError(t, r.client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, r.client), 2))
		require.Empty(t, parked(t, r.client))
	})
	t.Run("has a claim that expires on the server's clock", func(t *testing.T) {
		t.Parallel()
		for name, act := range map[string]func(*kurrent.Client, kurrent.ParkedBoundary) error{
			"drop": func(c *kurrent.Client, abandoned kurrent.ParkedBoundary) error {
				return c.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, abandoned, 1)
			},
			"grant": func(c *kurrent.Client, _ kurrent.ParkedBoundary) error {
				_, err := c.GrantGroup(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, "starter")
				return err
			},
		} {
			r := newReplayRig(t, 3)
			r.write(`{"orderflow-replay":{"until":1},"team":"orders"}`)
			r.gateway.AgeEvents(time.Minute)
			require.ErrorIs(t, act(r.viaGateway, boundary(t, r.viaGateway)), kurrent.ErrReplaying, name)
			r.gateway.AgeEvents(time.Hour)
			require.NoError(t, act(r.viaGateway, boundary(t, r.viaGateway)), name)
			require.NotContains(t, newestMetadata(t, r.client), "orderflow-replay", name)
			require.Contains(t, newestMetadata(t, r.client), `"team":"orders"`, name)
		}
	})
	t.Run("gives up its claim if the server refuses", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		_, err := client.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, client), 1)
		require.ErrorIs(t, err, kurrent.ErrNotFound)
		require.Equal(t, `{}`, newestMetadata(t, client))
	})
}

// replayRig is a group with parked events whose metadata holds more than a boundary, a
// client of its server, and a client that connects through a gateway.
type replayRig struct {
	*testing.T
	gateway            *kurrentsimtest.Gateway
	client, viaGateway *kurrent.Client
}

func newReplayRig(t *testing.T, count int) *replayRig {
	t.Helper()
	server := kurrentsimtest.StartServer(t)
	r := &replayRig{T: t, gateway: kurrentsimtest.StartGateway(t, server.Addr()), client: kurrentsimtest.OpenClient(t, server.URL())}
	r.viaGateway = kurrentsimtest.OpenClient(t, r.gateway.URL)
	parkAll(t, r.client, count)
	r.write(`{"$acl":{"$r":"support"},"team":"orders"}`)
	return r
}

func (r *replayRig) write(metadata string) {
	r.Helper()
	_, err := r.client.Append(r.Context(), parkedMetadata, kurrent.Any(), kurrentsimtest.Event("$metadata", metadata))
	require.NoError(r, err)
}

// replay starts a replay, and waits until the server has ended it.
func (r *replayRig) replay(until uint64) (claimed kurrent.ParkedBoundary) {
	r.Helper()
	claimed, err := r.client.ReplayParked(r.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(r.T, r.client), until)
	require.NoError(r, err)
	r.awaitEnd()
	return claimed
}

func (r *replayRig) awaitEnd() {
	r.Helper()
	require.Eventually(r, func() bool { return !boundary(r.T, r.client).Claimed() }, kurrentsimtest.WaitLimit, 10*time.Millisecond)
}

func (r *replayRig) keep(claimed kurrent.ParkedBoundary) (uint64, error) {
	return r.client.AwaitReplay(r.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
}

func TestAwaitReplay(t *testing.T) {
	t.Parallel()
	const byServer = `"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}`
	t.Run("keeps the list that another replay has restored", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 4)
		first := r.replay(0)
		second := r.replay(1) // claims the metadata that the server left at the end of the first
		left, err := r.keep(first)
		require.NoError(t, err)
		require.EqualValues(t, 2, left)
		_, err = r.keep(second)
		require.NoError(t, err)
		require.JSONEq(t, `{"$tb":2,"$acl":{"$r":"support"},"team":"orders"}`, newestMetadata(t, r.client))
	})
	t.Run("waits for the end of a replay that claimed what the server left", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 4)
		first := r.replay(0)
		r.write(`{"$tb":1,` + byServer + `,"orderflow-replay":{"until":1}}`)
		ended := make(chan error, 1)
		go func() {
			_, err := r.keep(first)
			ended <- err
		}()
		require.Never(t, func() bool { return len(ended) > 0 }, 300*time.Millisecond, 10*time.Millisecond)
		r.write(`{"$tb":2,` + byServer + `}`)
		require.NoError(t, <-ended)
		require.JSONEq(t, `{"$tb":2,"$acl":{"$r":"support"},"team":"orders"}`, newestMetadata(t, r.client))
	})
	t.Run("keeps a grant made since the end, and returns an error", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		claimed := r.replay(0)
		_, err := r.client.GrantGroup(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, "starter")
		require.NoError(t, err)
		granted := newestMetadata(t, r.client)
		require.Contains(t, granted, "starter")
		_, err = r.keep(claimed)
		require.ErrorIs(t, err, kurrent.ErrWrongRevision)
		require.Equal(t, granted, newestMetadata(t, r.client))
		require.JSONEq(t, `{"$acl":{"$r":"support"},"team":"orders"}`, claimed.Metadata())
	})
	t.Run("leaves no access list where there was none", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		r.write(`{}`)
		_, err := r.keep(r.replay(0))
		require.NoError(t, err)
		require.Equal(t, `{"$tb":1}`, newestMetadata(t, r.client))
	})
	t.Run("waits for the end of a replay whose response was lost", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		late := make(chan *persistent.ReplayParkedReq, 1)
		r.gateway.OnReplay(func(_ context.Context, request *persistent.ReplayParkedReq) error {
			late <- request
			return status.Error(codes.Unavailable, "cut off")
		})
		claimed, err := r.viaGateway.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, r.viaGateway), 0)
		require.ErrorIs(t, err, kurrent.ErrUnavailable)
		require.True(t, claimed.Claimed())
		ended := make(chan error, 1)
		go func() {
			_, err := r.keep(claimed)
			ended <- err
		}()
		require.Never(t, func() bool { return len(ended) > 0 }, 300*time.Millisecond, 10*time.Millisecond, "the replay has not begun")
		require.NoError(t, r.gateway.ForwardReplay(t.Context(), <-late))
		require.NoError(t, <-ended)
		require.JSONEq(t, `{"$tb":1,"$acl":{"$r":"support"},"team":"orders"}`, newestMetadata(t, r.client))
	})
	t.Run("retries during an outage", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		claimed := r.replay(0)
		r.gateway.RefuseNext(2)
		_, err := r.viaGateway.AwaitReplay(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
		require.NoError(t, err)
		require.JSONEq(t, `{"$tb":1,"$acl":{"$r":"support"},"team":"orders"}`, newestMetadata(t, r.client))
	})
	t.Run("recognizes its own write if the response was lost", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		claimed := r.replay(0)
		r.gateway.AfterAppends(func(context.Context) error { return status.Error(codes.Unavailable, "cut off") })
		left, err := r.viaGateway.AwaitReplay(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
		require.NoError(t, err)
		require.EqualValues(t, 1, left)
	})
	t.Run("ends with its context", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 2)
		r.gateway.OnReplay(func(context.Context, *persistent.ReplayParkedReq) error { return nil })
		claimed, err := r.viaGateway.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, r.viaGateway), 0)
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		_, err = r.client.AwaitReplay(ctx, bridgeGroup.Stream, bridgeGroup.Group, claimed)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
	t.Run("returns where another replay stopped", func(t *testing.T) {
		t.Parallel()
		r := newReplayRig(t, 5)
		r.gateway.OnReplay(func(ctx context.Context, request *persistent.ReplayParkedReq) error {
			request.Options.StopAtOption = &persistent.ReplayParkedReq_Options_StopAt{StopAt: 4}
			return r.gateway.ForwardReplay(ctx, request)
		})
		claimed, err := r.viaGateway.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, boundary(t, r.viaGateway), 0)
		require.NoError(t, err)
		left, err := r.keep(claimed)
		require.NoError(t, err)
		require.EqualValues(t, 4, left)
	})
}

func newestMetadata(t *testing.T, client *kurrent.Client) string {
	t.Helper()
	newest, err := client.LastEvent(t.Context(), parkedMetadata)
	require.NoError(t, err)
	return string(newest.Data)
}

func TestReplayParked_ConcurrentDrop(t *testing.T) {
	t.Parallel()
	for range 20 {
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		parkAll(t, client, 5)
		seen := boundary(t, client)
		var replayed, dropped error
		var both sync.WaitGroup
		both.Go(func() {
			var claimed kurrent.ParkedBoundary
			if claimed, replayed = client.ReplayParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 1); replayed == nil {
				_, replayed = client.AwaitReplay(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, claimed)
			}
		})
		both.Go(func() { dropped = client.DropParked(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, seen, 3) })
		both.Wait()
		require.True(t, (replayed == nil) != (dropped == nil), "exactly one succeeds: %v, %v", replayed, dropped)
		require.ErrorIs(t, errors.Join(replayed, dropped), kurrent.ErrWrongRevision)
		first, last, found := parkedRange(t, client)
		require.True(t, found)
		require.EqualValues(t, 4, last)
		require.EqualValues(t, map[bool]int{true: 2, false: 4}[replayed == nil], first)
	}
}
