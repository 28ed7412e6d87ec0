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

// The server replays without an expected revision: at the end it writes the boundary
// where the replay was to stop, whatever was dropped meanwhile, and dropped events
// reappear. So a replay first claims the parked stream, in its metadata and at the
// revision that the caller saw. A drop fails while the stream is claimed. When the server
// is done it rewrites the metadata from scratch, which removes the claim.

// ErrReplaying is returned if another replay of the group's parked events has not ended.
var ErrReplaying = errors.New("parked events are being replayed")

// replayClaim is the key of a claim in the metadata of the parked stream.
const replayClaim = "orderflow-replay"

// claimLifetime is how long a claim is valid if its replay never ends. The server reads
// the parked events and queues them for redelivery without waiting for a consumer. So a
// replay takes less, unless there are hundreds of thousands of events. The claim's age is
// the caller's time minus the server's: if the caller's clock is ahead, the claim expires
// that much earlier.
const claimLifetime = 2 * time.Minute

// parkedPoll is how often AwaitReplay checks whether a replay has ended.
const parkedPoll = 100 * time.Millisecond

type claim struct {
	Until uint64 `json:"until"`
}

// claimed returns the claim in the metadata, or nil if there is none.
func (b ParkedBoundary) claimed() *claim {
	var c claim
	if field, ok := b.metadata[replayClaim]; !ok || json.Unmarshal(field, &c) != nil {
		return nil
	}
	return &c
}

// replaying reports whether there is a valid claim.
func (b ParkedBoundary) replaying() bool {
	return b.claimed() != nil && time.Since(b.written) < claimLifetime
}

// Claimed reports whether a replay claimed the parked stream.
func (b ParkedBoundary) Claimed() bool { return b.claimed() != nil }

// ReplayParked makes the server redeliver a group's parked events, oldest first, up to
// and including number until. It returns once the server has started. The returned
// boundary is the claimed one, for AwaitReplay. If it is not known whether the
// server has started, it returns that boundary together with ErrUnavailable. With any
// other error nothing is replayed, and the boundary is not Claimed.
//
// The caller must read seen before it chooses until. ErrWrongRevision means that
// something was dropped or replayed since, and ErrReplaying that a replay runs. It
// returns ErrNotFound if the group does not exist, and ErrInvalid if until is out of
// range or already dropped.
//
// The server forgets a replayed event's position among the parked ones as soon as it has
// queued the event, and then keeps it in memory until a consumer has acknowledged it. So
// there should be a consumer.
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
	case until >= math.MaxInt: // the client takes an int
		return ParkedBoundary{}, fmt.Errorf("%w: until is too large", ErrInvalid)
	case until+1 <= seen.first(): // the server would move the boundary back
		return ParkedBoundary{}, fmt.Errorf("%w: until is below the oldest parked event, %d", ErrInvalid, seen.first())
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

// replayClaimed starts the replay, and withdraws the claim if the server is known to have
// refused.
func (c *Client) replayClaimed(ctx context.Context, stream, group string, seen, claimed ParkedBoundary, until uint64) (ParkedBoundary, error) {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		options := kurrentdb.ReplayParkedMessagesOptions{StopAt: int(until) + 1} // the first number that is not replayed
		if stream == All {
			return client.ReplayParkedMessagesToAll(ctx, group, options)
		}
		return client.ReplayParkedMessages(ctx, stream, group, options)
	})
	if err != nil && !errors.Is(err, ErrUnavailable) {
		before := ParkedBoundary{at: claimed.at, metadata: seen.metadata}
		_, _ = c.writeParkedBoundary(ctx, stream, group, before) // if this fails, the claim expires
		claimed = ParkedBoundary{}
	}
	return claimed, err
}

// AwaitReplay waits until a replay has ended or ctx ends, and restores what the
// replay removed from the metadata of the parked stream: the server rewrites it from
// scratch, with an access list of only $admins. claimed is what ReplayParked returned.
// The boundary is left where the replay put it. It returns the first number that is still
// parked. If that is not the one after until, another replay ran at the same time, or
// something was dropped since.
//
// It retries while the server is unavailable. Fields that another writer has set since
// the end of the replay are kept; if the replay removed anything, it then returns
// ErrWrongRevision.
func (c *Client) AwaitReplay(ctx context.Context, stream, group string, claimed ParkedBoundary) (first uint64, err error) {
	ticker := time.NewTicker(parkedPoll)
	defer ticker.Stop()
	for {
		now, err := c.ParkedBoundary(ctx, stream, group)
		done := false
		if err == nil {
			done, err = c.restoreMetadata(ctx, stream, group, claimed, now)
		}
		switch {
		case done:
			return now.first(), nil
		case err != nil && !errors.Is(err, ErrUnavailable):
			return 0, fmt.Errorf("restore the metadata of %s: %w", parkedStream(stream, group), err)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("wait for the replay of %s::%s: %w", stream, group, ctx.Err())
		case <-ticker.C:
		}
	}
}

// restoreMetadata writes the metadata of before the replay, with the boundary of after
// it. It reports whether there is nothing left to write.
func (c *Client) restoreMetadata(ctx context.Context, stream, group string, claimed, now ParkedBoundary) (done bool, err error) {
	switch {
	case now.at == claimed.at: // the replay has not ended
		return false, nil
	case now.Metadata() == claimed.Metadata():
		return true, nil
	case !now.leftByReplay() && (len(claimed.otherFields()) == 0 || claimed.leftByReplay()): // another writer's, and nothing was lost
		return true, nil
	case !now.leftByReplay():
		return false, fmt.Errorf("%w: another writer has set it since the replay", ErrWrongRevision)
	case now.Claimed(): // by the next replay, which ends with the same metadata
		return false, nil
	}
	kept := ParkedBoundary{at: now.at, metadata: claimed.otherFields()}
	if boundary, ok := now.metadata[truncateBefore]; ok {
		kept.set(truncateBefore, boundary)
	}
	_, err = c.writeParkedBoundary(ctx, stream, group, kept)
	if errors.Is(err, ErrWrongRevision) { // written meanwhile: read again
		return false, nil
	}
	return err == nil, err
}

// leftByReplay reports whether the metadata is as the server writes it at the end of a
// replay: only the boundary, perhaps a claim, and a list of only $admins.
func (b ParkedBoundary) leftByReplay() bool {
	fields := b.otherFields()
	list := readList(fields[aclKey])
	for right := range list {
		if holders, _ := list.holders(Right(right)); !slices.Equal(holders, []string{administrators}) {
			return false
		}
	}
	return len(fields) == 1 && len(list) == 5
}

// writeParkedBoundary writes the metadata of the parked stream if it is still at the
// revision it was read at, and returns it with its new revision.
func (c *Client) writeParkedBoundary(ctx context.Context, stream, group string, b ParkedBoundary) (ParkedBoundary, error) {
	revision, err := c.writeMetadata(ctx, parkedStream(stream, group), b.at, b.metadata)
	if err != nil {
		return ParkedBoundary{}, err
	}
	b.at, b.written = At(revision), time.Now()
	return b, nil
}
