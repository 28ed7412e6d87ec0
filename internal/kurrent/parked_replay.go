package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
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

// claimLasts is how long a claim holds whose replay never ended: it is more than any replay takes, which the server only
// reads, and short enough to wait for.
const claimLasts = 2 * time.Minute

// parkedPoll is how often KeepParkedAccess looks whether a replay has come to its end.
const parkedPoll = 100 * time.Millisecond

type claim struct {
	Until uint64    `json:"until"`
	At    time.Time `json:"at"`
}

// claimed returns the claim in the metadata, nil for none.
func (b ParkedBoundary) claimed() *claim {
	var c claim
	if field, ok := b.metadata[replayClaim]; !ok || json.Unmarshal(field, &c) != nil {
		return nil
	}
	return &c
}

// replaying reports whether a claim holds. The clocks of two callers may differ.
func (b ParkedBoundary) replaying() bool {
	c := b.claimed()
	return c != nil && time.Since(c.At).Abs() < claimLasts
}

// ReplayParked makes the server deliver what a group has parked again, the oldest first: what is numbered up to and
// including until. It returns when the server has begun, with the boundary as the replay claimed it, for KeepParkedAccess.
// seen was read before until was chosen: ErrWrongRevision means that something was dropped or replayed since, and ErrReplaying
// that a replay runs; nothing is replayed then. A group that does not exist is ErrNotFound, an until that no boundary can
// have or that is dropped already ErrInvalid.
//
// The server forgets a replayed event's place among the parked as soon as it has offered it, and keeps it in memory until a
// consumer has answered for it. So there should be one.
func (c *Client) ReplayParked(ctx context.Context, stream, group string, seen ParkedBoundary, until uint64) (ParkedBoundary, error) {
	claimed, err := c.claimReplay(ctx, stream, group, seen, until)
	if err == nil {
		err = c.replayClaimed(ctx, stream, group, seen, claimed, until)
	}
	if err != nil {
		return ParkedBoundary{}, fmt.Errorf("replay parked of %s::%s: %w", stream, group, err)
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
	note, err := json.Marshal(claim{Until: until, At: time.Now().UTC()})
	if err != nil {
		return ParkedBoundary{}, err
	}
	claimed := ParkedBoundary{at: seen.at, metadata: maps.Clone(seen.metadata)}
	claimed.set(replayClaim, note)
	return c.writeParkedBoundary(ctx, stream, group, claimed)
}

// replayClaimed asks the server, and gives the claim up if it is known that the server refused.
func (c *Client) replayClaimed(ctx context.Context, stream, group string, seen, claimed ParkedBoundary, until uint64) error {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		options := kurrentdb.ReplayParkedMessagesOptions{StopAt: int(until) + 1} // the first number that is not replayed
		return client.ReplayParkedMessages(ctx, stream, group, options)
	})
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrAccessDenied) || errors.Is(err, ErrInvalid) {
		before := ParkedBoundary{at: claimed.at, metadata: seen.metadata}
		_, _ = c.writeParkedBoundary(ctx, stream, group, before) // if not, the claim ends with its time
	}
	return err
}

// KeepParkedAccess waits for the end of a replay, for as long as ctx lasts, and puts back what it takes off the metadata of
// the parked stream: the server writes that from scratch, and leaves an access list that names $admins alone. claimed is what
// ReplayParked returned, and the boundary stays where the replay left it.
func (c *Client) KeepParkedAccess(ctx context.Context, stream, group string, claimed ParkedBoundary) error {
	ticker := time.NewTicker(parkedPoll)
	defer ticker.Stop()
	for {
		now, err := c.ParkedBoundary(ctx, stream, group)
		if err == nil && now.claimed() == nil {
			err = c.putBack(ctx, stream, group, claimed, now)
			if !errors.Is(err, ErrWrongRevision) {
				return err
			}
			err = nil // it moved again meanwhile
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the replay of %s::%s: %w", stream, group, ctx.Err())
		case <-ticker.C:
		}
	}
}

// putBack writes what the metadata held before the replay, with the boundary after it.
func (c *Client) putBack(ctx context.Context, stream, group string, claimed, now ParkedBoundary) error {
	kept := ParkedBoundary{at: now.at, metadata: maps.Clone(claimed.metadata)}
	delete(kept.metadata, replayClaim)
	delete(kept.metadata, truncateBefore)
	if len(kept.metadata) == 0 {
		return nil
	}
	if boundary, ok := now.metadata[truncateBefore]; ok {
		kept.set(truncateBefore, boundary)
	}
	_, err := c.writeParkedBoundary(ctx, stream, group, kept)
	return err
}

// writeParkedBoundary writes the metadata of the parked stream at the revision it was read, and returns it as it is then.
func (c *Client) writeParkedBoundary(ctx context.Context, stream, group string, b ParkedBoundary) (ParkedBoundary, error) {
	revision, err := c.writeMetadata(ctx, parkedStream(stream, group), b.at, b.metadata)
	if err != nil {
		return ParkedBoundary{}, err
	}
	b.at = At(revision)
	return b, nil
}
