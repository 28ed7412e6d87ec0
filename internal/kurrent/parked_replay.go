package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// The server replays without an expectation: at the end it writes the boundary where the replay was to stop, whatever was
// dropped meanwhile, and what was dropped is there again. So a replay first claims the parked stream, in its metadata and at
// the revision that was seen, and a drop refuses while it is claimed. The server writes the metadata from scratch when it is
// done, which takes the claim away.

// ErrReplaying says that another replay of the group's parked events has not ended.
var ErrReplaying = errors.New("parked events are being replayed")

// replayClaim is the key of a claim in the metadata of the parked stream.
const replayClaim = "orderflow-replay"

// claimLasts is how long a claim holds whose replay never ended. The server reads the parked events and queues them for
// redelivery without waiting for a consumer, so a replay takes less, unless there are hundreds of thousands. The claim's age
// is the caller's time less the server's: where the caller's clock is ahead, the claim ends earlier by as much.
const claimLasts = 2 * time.Minute

// parkedPoll is how often KeepParkedAccess looks whether a replay has come to its end.
const parkedPoll = 100 * time.Millisecond

type claim struct {
	Until uint64 `json:"until"`
}

// claimed returns the claim in the metadata, nil for none.
func (b ParkedBoundary) claimed() *claim {
	var c claim
	if field, ok := b.metadata[replayClaim]; !ok || json.Unmarshal(field, &c) != nil {
		return nil
	}
	return &c
}

// replaying reports whether a claim holds.
func (b ParkedBoundary) replaying() bool {
	return b.claimed() != nil && time.Since(b.written) < claimLasts
}

// Claimed reports whether a replay claimed the parked stream.
func (b ParkedBoundary) Claimed() bool { return b.claimed() != nil }

// ReplayParked makes the server deliver what a group has parked again, the oldest first: what is numbered up to and
// including until. It returns when the server has begun, with the boundary as the replay claimed it, for KeepParkedAccess.
// If it is not known whether the server has begun, it returns that boundary together with ErrUnavailable. With any other
// error nothing is replayed, and the boundary is not Claimed.
//
// seen must have been read before until was chosen: ErrWrongRevision means that something was dropped or replayed since, and
// ErrReplaying that a replay runs. A group that does not exist is ErrNotFound, an until that no boundary can have or that is
// dropped already ErrInvalid.
//
// The server forgets a replayed event's place among the parked as soon as it has queued it, and keeps it in memory until a
// consumer has acknowledged it. So there should be a consumer.
func (c *Client) ReplayParked(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) (ParkedBoundary, error) {
	claimed, err := c.claimReplay(ctx, stream, group, seen, until)
	if err == nil {
		claimed, err = c.replayClaimed(ctx, stream, group, seen, claimed, until)
	}
	if err != nil {
		return claimed, fmt.Errorf("replay parked of %s::%s: %w", stream, group, err)
	}
	return claimed, nil
}

func (c *Client) claimReplay(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) (ParkedBoundary, error) {
	switch {
	case until >= math.MaxInt: // the client counts in int
		return ParkedBoundary{}, fmt.Errorf("%w: until is too large", ErrInvalid)
	case until+1 <= seen.first(): // the server would set the boundary back
		return ParkedBoundary{}, fmt.Errorf("%w: until is below the oldest event there is, %d", ErrInvalid, seen.first())
	case seen.replaying():
		return ParkedBoundary{}, ErrReplaying
	}
	note, err := json.Marshal(claim{Until: until})
	if err != nil {
		return ParkedBoundary{}, err
	}
	claimed := ParkedBoundary{at: seen.at, metadata: maps.Clone(seen.metadata)}
	claimed.set(replayClaim, note)
	return c.writeParkedBoundary(ctx, stream, group, claimed)
}

// replayClaimed asks the server, and gives the claim up if it is known that the server refused.
func (c *Client) replayClaimed(ctx context.Context, stream, group string, seen, claimed ParkedBoundary, until uint64) (ParkedBoundary, error) {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		options := kurrentdb.ReplayParkedMessagesOptions{StopAt: int(until) + 1} // the first number that is not replayed
		return client.ReplayParkedMessages(ctx, stream, group, options)
	})
	if err != nil && !errors.Is(err, ErrUnavailable) {
		before := ParkedBoundary{at: claimed.at, metadata: seen.metadata}
		_, _ = c.writeParkedBoundary(ctx, stream, group, before) // if not, the claim ends with its time
		claimed = ParkedBoundary{}
	}
	return claimed, err
}

// KeepParkedAccess waits for the end of a replay, for as long as ctx lasts, and puts back what it took off the metadata of
// the parked stream: the server writes that from scratch, and leaves an access list that names $admins alone. claimed is what
// ReplayParked returned. The boundary stays where the replay left it. It returns the first number that is still parked: if
// that is not the one after until, another replay ran at the same time, or something was dropped since.
//
// It reads again while the server is unavailable. What another writer has set since the end of the replay is kept, and is
// ErrWrongRevision if the replay took anything off.
func (c *Client) KeepParkedAccess(ctx context.Context, stream, group string, claimed ParkedBoundary) (first uint64, err error) {
	ticker := time.NewTicker(parkedPoll)
	defer ticker.Stop()
	for {
		now, err := c.ParkedBoundary(ctx, stream, group)
		done := false
		if err == nil {
			done, err = c.putBack(ctx, stream, group, claimed, now)
		}
		switch {
		case done:
			return now.first(), nil
		case err != nil && !errors.Is(err, ErrUnavailable):
			return 0, fmt.Errorf("put back the metadata of %s: %w", parkedStream(stream, group), err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the replay of %s::%s: %w", stream, group, ctx.Err())
		case <-ticker.C:
		}
	}
}

// putBack writes what the metadata held before the replay, with the boundary after it. It reports whether there is nothing
// left to write.
func (c *Client) putBack(ctx context.Context, stream, group string, claimed, now ParkedBoundary) (done bool, err error) {
	switch {
	case now.at == claimed.at: // the replay has not ended
		return false, nil
	case now.Metadata() == claimed.Metadata():
		return true, nil
	case !now.leftByReplay() && (len(claimed.rest()) == 0 || claimed.leftByReplay()): // another writer's, and nothing was lost
		return true, nil
	case !now.leftByReplay():
		return false, fmt.Errorf("%w: another writer has set it since the replay", ErrWrongRevision)
	case now.Claimed(): // by the next replay, which leaves the same
		return false, nil
	}
	kept := ParkedBoundary{at: now.at, metadata: claimed.rest()}
	if boundary, ok := now.metadata[truncateBefore]; ok {
		kept.set(truncateBefore, boundary)
	}
	_, err = c.writeParkedBoundary(ctx, stream, group, kept)
	if errors.Is(err, ErrWrongRevision) { // written meanwhile: look again
		return false, nil
	}
	return err == nil, err
}

// leftByReplay reports whether the metadata is as the server writes it at the end of a replay: it holds nothing but the
// boundary, perhaps a claim, and a list that names $admins alone.
func (b ParkedBoundary) leftByReplay() bool {
	rest := b.rest()
	list := readList(rest[aclKey])
	for right := range list {
		if holders, _ := list.holders(Right(right)); !slices.Equal(holders, []string{administrators}) {
			return false
		}
	}
	return len(rest) == 1 && len(list) == 5
}

// writeParkedBoundary writes the metadata of the parked stream at the revision it was read, and returns it as it is then.
func (c *Client) writeParkedBoundary(ctx context.Context, stream, group string, b ParkedBoundary) (ParkedBoundary, error) {
	revision, err := c.writeMetadata(ctx, parkedStream(stream, group), b.at, b.metadata)
	if err != nil {
		return ParkedBoundary{}, err
	}
	b.at, b.written = At(revision), time.Now()
	return b, nil
}
