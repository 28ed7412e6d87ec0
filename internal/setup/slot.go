package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/backoff"
	"orderflow/internal/postgres"
)

// slotTimeout bounds slot creation, which waits for open transactions to end.
const slotTimeout = 5 * time.Minute

// Slot is the replication slot, and what EnsureSlot did.
type Slot struct {
	postgres.Slot
	Created         bool
	FailoverEnabled bool // an existing slot is copied to standbys from now on
	FailoverLater   bool // the publisher that reads it enables that at its next start
}

// EnsureSlot creates the slot if it is missing, without a checkpoint, so the publisher
// reads the whole history when it first uses the slot. On PostgreSQL 17 and newer it
// makes the server copy an existing one to its standbys, if the connected role may
// replicate; otherwise the publisher does that at its next start.
func EnsureSlot(
	ctx context.Context, publication *postgres.Publication, state *postgres.PublisherState, name string,
) (Slot, error) {
	found, ok, err := publication.FindSlot(ctx, name)
	if err != nil || ok && (found.Lost || found.Failover) {
		return Slot{Slot: found}, err
	}
	replication, err := publication.OpenReplication(ctx, name)
	if ok && errors.Is(err, postgres.ErrMayNotReplicate) {
		return Slot{Slot: found}, nil
	}
	if err != nil {
		return Slot{}, err
	}
	defer replication.Close()
	slot := Slot{Slot: found, Created: !ok}
	slot.Name = name
	switch {
	case !ok:
		err := createSlot(ctx, publication, replication, state, name)
		return created(ctx, publication, slot, err)
	case replication.FailsOver() && found.Active:
		slot.FailoverLater = true
	case replication.FailsOver():
		return enableFailover(ctx, replication, slot)
	}
	return slot, nil
}

// enableFailover leaves a slot that a publisher has begun to read meanwhile to that
// publisher.
func enableFailover(ctx context.Context, replication *postgres.Replication, slot Slot) (Slot, error) {
	err := replication.EnableFailover(ctx)
	slot.FailoverEnabled, slot.FailoverLater = err == nil, errors.Is(err, postgres.ErrSlotBusy)
	if slot.FailoverLater {
		return slot, nil
	}
	return slot, err
}

// wouldEnsureSlot returns what EnsureSlot would, and changes nothing.
func wouldEnsureSlot(
	ctx context.Context, publication *postgres.Publication, _ *postgres.PublisherState, name string,
) (Slot, error) {
	found, ok, err := publication.FindSlot(ctx, name)
	if err != nil || ok && (found.Lost || found.Failover) {
		return Slot{Slot: found}, err
	}
	replication, err := publication.OpenReplication(ctx, name) // which takes the right to replicate
	if ok && errors.Is(err, postgres.ErrMayNotReplicate) {
		return Slot{Slot: found}, nil
	}
	if err != nil {
		return Slot{}, err
	}
	defer replication.Close()
	return Slot{Slot: found, Created: !ok, FailoverEnabled: ok && replication.FailsOver() && !found.Active}, nil
}

// created returns a slot that another program, such as a starting publisher, created
// meanwhile, and otherwise err.
func created(ctx context.Context, publication *postgres.Publication, slot Slot, err error) (Slot, error) {
	if err == nil {
		return slot, nil
	}
	if found, ok, findErr := publication.FindSlot(ctx, slot.Name); findErr == nil && ok {
		return Slot{Slot: found}, nil
	}
	return slot, err
}

// createSlot creates the slot under the lock that a publisher holds from before it creates
// the slot until it ends: the checkpoint of a running publisher must not be deleted. It
// returns an error if the slot exists by then.
func createSlot(
	ctx context.Context, publication *postgres.Publication, replication *postgres.Replication, state *postgres.PublisherState, name string,
) error {
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := awaitSlotLock(ctx, publication, replication, name); err != nil {
		return err
	}
	if err := state.DeleteCheckpoint(ctx, name); err != nil {
		return err
	}
	return replication.CreateSlot(ctx)
}

// errSlotExists means that another program created the slot meanwhile.
var errSlotExists = errors.New("the slot exists by now")

// awaitSlotLock takes the slot's lock. It returns errSlotExists once the slot exists,
// whether or not a publisher still holds the lock.
func awaitSlotLock(ctx context.Context, publication *postgres.Publication, replication *postgres.Replication, name string) error {
	poll := backoff.Exponential{Min: 100 * time.Millisecond, Max: 2 * time.Second}
	for tries := 0; ; tries++ {
		acquired, err := replication.Acquire(ctx)
		if err != nil {
			return err
		}
		if _, ok, err := publication.FindSlot(ctx, name); err != nil || ok {
			return cmp.Or(err, errSlotExists)
		}
		if acquired {
			return nil
		}
		if err := poll.Wait(ctx, tries); err != nil {
			return fmt.Errorf("a publisher works on the slot: %w", err)
		}
	}
}
