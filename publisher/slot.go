package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/postgres"
)

// The reasons for which the history is read from its beginning. The first three leave the slot and make another one.
const (
	rebuildSlotLost    = "slot_lost"   // what the slot had to send is gone
	rebuildPublication = "publication" // it was changed, and may have kept versions from the stream
	rebuildUndecodable = "undecodable" // the slot holds what cannot be decoded
	rebuildOther       = "other"       // a new slot, another server or timeline, an operator
)

// rebuildAgain is how long a slot that cannot be decoded is tried once more before another is made: if it is not the slot's
// fault, reading the whole history each time helps nobody.
const rebuildAgain = 5 * time.Minute

// errPublicationChanged ends a session whose publication is not the one that it began with.
var errPublicationChanged = errors.New("the publication was changed")

// checkPublication returns an error unless the publication is still the one that a mark was begun with.
func (p *publisher) checkPublication(ctx context.Context, begun string) error {
	publication, err := p.store.CheckPublishing(ctx)
	if err == nil && publication != begun {
		return errPublicationChanged
	}
	return err
}

// leaveSlot notes that the slot cannot go on from where it is, if an error says so.
func (p *publisher) leaveSlot(err error) {
	switch {
	case errors.Is(err, postgres.ErrSlotLost):
		p.rebuild = rebuildSlotLost
	case errors.Is(err, postgres.ErrUndecodable) && time.Since(p.rebuilt) >= rebuildAgain:
		p.rebuild = rebuildUndecodable
	}
}

// takeUp finds the slot and the mark that goes with it, or makes them again. The mark is gone before a slot is made, and
// comes only after it: whatever breaks in between, a slot without its mark has the whole history read.
//
// The publication is read before a slot is made and before the snapshot's barrier. So a version that an earlier publication
// kept from the stream is in the snapshot, and one that is not in the snapshot is decoded by this publication or a later one,
// which the next look finds.
func (p *publisher) takeUp(ctx context.Context, link *postgres.Replication) (postgres.Mark, error) {
	publication, err := p.store.CheckPublishing(ctx)
	if err != nil {
		return postgres.Mark{}, err
	}
	mark, ok, err := p.store.FindMark(ctx, p.slot)
	if err != nil {
		return postgres.Mark{}, err
	}
	if ok && mark.Publication != publication && p.rebuild == "" {
		p.rebuild = rebuildPublication
	}
	reason := p.rebuild
	slot, made, err := p.usableSlot(ctx, link)
	if err != nil || !made && ok && mark.Holds(link.System, slot) {
		return mark, err
	}
	if reason == "" {
		reason = rebuildOther
	}
	p.metrics.rebuilds.WithLabelValues(reason).Inc()
	p.logger.Info("the history is read from its beginning", "slot", p.slot, "reason", whySnapshot(reason, mark, ok, link.System))
	mark = postgres.Mark{
		Slot: p.slot, System: link.System, SlotLSN: slot.Confirmed, Confirmed: slot.Confirmed, Publication: publication,
	}
	return mark, p.store.PutMark(ctx, mark)
}

func whySnapshot(reason string, mark postgres.Mark, ok bool, system postgres.System) string {
	switch {
	case reason == rebuildPublication:
		return "the publication was changed, and may have kept versions to itself"
	case reason == rebuildUndecodable:
		return "the slot held what cannot be decoded"
	case !ok || reason == rebuildSlotLost:
		return "the slot is new"
	case mark.System.ID != system.ID:
		return "this is another database server than before"
	case mark.System.Timeline != system.Timeline:
		return "the database server was restored or has failed over"
	default:
		return "another program or an operator made or moved the slot"
	}
}

// usableSlot returns the slot, making it where there is none that can go on.
func (p *publisher) usableSlot(ctx context.Context, link *postgres.Replication) (slot postgres.Slot, made bool, err error) {
	slot, ok, err := p.store.FindSlot(ctx, p.slot)
	if err != nil {
		return slot, false, err
	}
	if ok && !slot.Lost && p.rebuild == "" {
		p.enableFailover(ctx, link, slot)
		return slot, false, nil
	}
	if err := p.store.ForgetMark(ctx, p.slot); err != nil {
		return postgres.Slot{}, false, err
	}
	if ok {
		p.logger.Warn("the slot cannot go on, a new one is made", "slot", p.slot, "confirmed", slot.Confirmed.String())
		if err := link.DropSlot(ctx); err != nil {
			return postgres.Slot{}, false, err
		}
	}
	if err := p.makeSlot(ctx, link); err != nil {
		return postgres.Slot{}, false, err
	}
	if p.rebuild == rebuildUndecodable {
		p.rebuilt = time.Now()
	}
	p.rebuild = ""
	slot, ok, err = p.store.FindSlot(ctx, p.slot)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it went away as soon as it was made", postgres.ErrSlotLost)
	}
	return slot, true, err
}

// enableFailover has the server copy a slot to its standbys, if it can. Publishing goes on if the server refuses: after a
// failover without the slot, another is made and the history is read.
func (p *publisher) enableFailover(ctx context.Context, link *postgres.Replication, slot postgres.Slot) {
	if slot.Failover || slot.Active || !link.FailsOver() { // one that is active cannot be read now anyway
		return
	}
	if err := link.EnableFailover(ctx); err != nil {
		p.logger.Warn("slot is not copied to standbys", "slot", p.slot, "error", err)
		return
	}
	p.logger.Info("slot is copied to standbys from now on", "slot", p.slot)
}

// makeSlot takes as long as the transactions that are under way, and says so when that is long.
func (p *publisher) makeSlot(ctx context.Context, link *postgres.Replication) error {
	const long = 5 * time.Second
	slow := time.AfterFunc(long, func() {
		p.logger.Warn("making the slot waits for transactions that are under way", "slot", p.slot)
	})
	defer slow.Stop()
	if err := link.CreateSlot(ctx); err != nil {
		return err
	}
	p.logger.Info("slot made", "slot", p.slot)
	return nil
}
