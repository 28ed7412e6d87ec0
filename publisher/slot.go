package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/postgres"
)

// Reasons for reading the history from its beginning. The first three also replace the
// slot.
const (
	rebuildSlotLost    = "slot_lost"   // the slot is gone, or the log that it had to send
	rebuildPublication = "publication" // the publication was changed and may have withheld versions
	rebuildUndecodable = "undecodable" // the slot contains changes that cannot be decoded
	rebuildFirst       = "first"       // the first start
	rebuildOther       = "other"       // another server or timeline, another program, an operator
)

// rebuildInterval is how long an undecodable slot is retried before it is replaced again.
// If the slot is not the cause, reading the whole history each time would not help.
const rebuildInterval = 5 * time.Minute

// errPublicationChanged ends a session whose publication was changed after it began.
var errPublicationChanged = errors.New("the publication was changed")

// checkPublication returns an error unless the publication is still the expected one,
// which the checkpoint was created with.
func (p *publisher) checkPublication(ctx context.Context, expected string) error {
	publication, err := p.publication.Check(ctx)
	if err == nil && publication != expected {
		return errPublicationChanged
	}
	return err
}

// noteUnusableSlot records that the slot cannot continue from its position, if err says
// so.
func (p *publisher) noteUnusableSlot(err error) {
	switch {
	case errors.Is(err, postgres.ErrSlotLost):
		p.rebuild = rebuildSlotLost
	case errors.Is(err, postgres.ErrUndecodable) && time.Since(p.rebuilt) >= rebuildInterval:
		p.rebuild = rebuildUndecodable
	}
}

// prepareSlot finds the slot and its checkpoint, or creates both. The old checkpoint is
// deleted before a slot is created, and the new one is written after it. So whatever
// fails in between, a slot without a checkpoint causes the whole history to be read.
//
// The publication is read before a slot is created and before the snapshot's barrier. So
// a version that an earlier publication withheld is in the snapshot. A version that is
// not in the snapshot is decoded with this publication or a later one, which the next
// check finds.
func (p *publisher) prepareSlot(ctx context.Context, replication *postgres.Replication) (postgres.Checkpoint, error) {
	publication, err := p.publication.Check(ctx)
	if err != nil {
		return postgres.Checkpoint{}, err
	}
	checkpoint, ok, err := p.state.FindCheckpoint(ctx, p.slot)
	if err != nil {
		return postgres.Checkpoint{}, err
	}
	if ok && checkpoint.Publication != publication && p.rebuild == "" {
		p.rebuild = rebuildPublication
	}
	reason := p.rebuild
	slot, made, err := p.ensureSlot(ctx, replication)
	if err != nil || !made && ok && checkpoint.Matches(replication.System, slot) {
		return checkpoint, err
	}
	switch {
	case reason == "" && made && ok:
		reason = rebuildSlotLost
	case reason == "" && made:
		reason = rebuildFirst
	case reason == "":
		reason = rebuildOther
	}
	p.metrics.rebuilds.WithLabelValues(reason).Inc()
	p.logger.Info("reading history from its beginning", "slot", p.slot, "reason", snapshotReason(reason, checkpoint, ok, replication.System))
	checkpoint = postgres.Checkpoint{
		Slot: p.slot, System: replication.System, SlotLSN: slot.Confirmed, Confirmed: slot.Confirmed, Publication: publication,
	}
	return checkpoint, p.state.ReplaceCheckpoint(ctx, checkpoint)
}

func snapshotReason(reason string, checkpoint postgres.Checkpoint, ok bool, system postgres.System) string {
	switch {
	case reason == rebuildPublication:
		return "the publication was changed and may have withheld versions"
	case reason == rebuildUndecodable:
		return "the slot contains changes that cannot be decoded"
	case !ok:
		return "the slot is new"
	case reason == rebuildSlotLost:
		return "the slot was lost"
	case checkpoint.System.ID != system.ID:
		return "this is another database server than before"
	case checkpoint.System.Timeline != system.Timeline:
		return "the database server was restored or has failed over"
	default:
		return "another program or an operator created or moved the slot"
	}
}

// ensureSlot returns the slot. It creates one if there is none that can continue.
func (p *publisher) ensureSlot(ctx context.Context, replication *postgres.Replication) (slot postgres.Slot, made bool, err error) {
	slot, ok, err := p.publication.FindSlot(ctx, p.slot)
	if err != nil {
		return slot, false, err
	}
	if ok && !slot.Lost && p.rebuild == "" {
		p.enableFailover(ctx, replication, slot)
		return slot, false, nil
	}
	if err := p.state.DeleteCheckpoint(ctx, p.slot); err != nil {
		return postgres.Slot{}, false, err
	}
	if ok {
		p.logger.Warn("replacing slot that cannot continue", "slot", p.slot, "confirmed", slot.Confirmed.String())
		if err := replication.DropSlot(ctx); err != nil {
			return postgres.Slot{}, false, err
		}
	}
	if err := p.createSlot(ctx, replication); err != nil {
		return postgres.Slot{}, false, err
	}
	if p.rebuild == rebuildUndecodable {
		p.rebuilt = time.Now()
	}
	p.rebuild = ""
	slot, ok, err = p.publication.FindSlot(ctx, p.slot)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it disappeared right after it was created", postgres.ErrSlotLost)
	}
	return slot, true, err
}

// enableFailover makes the server copy a slot to its standbys, if it can. Publishing
// continues if the server refuses: after a failover without the slot, another one is
// created and the history is read.
func (p *publisher) enableFailover(ctx context.Context, replication *postgres.Replication, slot postgres.Slot) {
	if slot.Failover || slot.Active || !replication.FailsOver() { // an active slot cannot be read now anyway
		return
	}
	if err := replication.EnableFailover(ctx); err != nil {
		p.logger.Warn("slot cannot be copied to standbys", "slot", p.slot, "error", err)
		return
	}
	p.logger.Info("slot is now copied to standbys", "slot", p.slot)
}

// createSlot creates the slot. It waits for open transactions to end, and logs a warning
// if that takes long.
func (p *publisher) createSlot(ctx context.Context, replication *postgres.Replication) error {
	const long = 5 * time.Second
	slow := time.AfterFunc(long, func() {
		p.logger.Warn("slot creation is waiting for open transactions", "slot", p.slot)
	})
	defer slow.Stop()
	if err := replication.CreateSlot(ctx); err != nil {
		return err
	}
	p.logger.Info("slot created", "slot", p.slot)
	return nil
}
