package setup

import (
	"context"
	"errors"
	"time"

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
		return created(ctx, publication, slot, createSlot(ctx, replication, state, name))
	case replication.FailsOver() && found.Active:
		slot.FailoverLater = true
	case replication.FailsOver():
		slot.FailoverEnabled = true
		return slot, replication.EnableFailover(ctx)
	}
	return slot, nil
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

func createSlot(ctx context.Context, replication *postgres.Replication, state *postgres.PublisherState, name string) error {
	if err := state.DeleteCheckpoint(ctx, name); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	return replication.CreateSlot(ctx)
}
