package main

import (
	"context"
	"fmt"
	"time"

	"orderflow/internal/postgres"
)

// takeUp finds the slot and the mark that goes with it, or makes them anew. The mark is gone before a slot is made, and
// comes only after it: whatever breaks in between, a slot without its mark has the whole history read.
func (p *publisher) takeUp(ctx context.Context, link *postgres.Replication) (postgres.Mark, error) {
	slot, err := p.usableSlot(ctx, link)
	if err != nil {
		return postgres.Mark{}, err
	}
	mark, ok, err := p.store.FindMark(ctx, p.slot)
	if err != nil || ok && mark.Holds(link.System, slot) {
		return mark, err
	}
	p.logger.Info("the history is read from its beginning", "slot", p.slot, "reason", whySnapshot(mark, ok, link.System))
	mark = postgres.Mark{Slot: p.slot, System: link.System, SlotLSN: slot.Confirmed, Confirmed: slot.Confirmed}
	return mark, p.store.PutMark(ctx, mark)
}

func whySnapshot(mark postgres.Mark, ok bool, system postgres.System) string {
	switch {
	case !ok:
		return "the slot is new"
	case mark.System.ID != system.ID:
		return "this is another database server than before"
	case mark.System.Timeline != system.Timeline:
		return "the database server was restored or has failed over"
	default:
		return "somebody else made or moved the slot"
	}
}

// usableSlot gives the slot, making it where there is none that can go on.
func (p *publisher) usableSlot(ctx context.Context, link *postgres.Replication) (postgres.Slot, error) {
	slot, ok, err := p.store.FindSlot(ctx, p.slot)
	if err != nil || ok && !slot.Lost && !p.rebuild {
		return slot, err
	}
	if err := p.store.ForgetMark(ctx, p.slot); err != nil {
		return postgres.Slot{}, err
	}
	if ok {
		p.logger.Warn("the slot cannot go on, a new one is made", "slot", p.slot, "confirmed", slot.Confirmed.String())
		if err := link.DropSlot(ctx); err != nil {
			return postgres.Slot{}, err
		}
	}
	if err := p.makeSlot(ctx, link); err != nil {
		return postgres.Slot{}, err
	}
	p.rebuild = false
	slot, ok, err = p.store.FindSlot(ctx, p.slot)
	if err == nil && !ok {
		err = fmt.Errorf("%w: it went away as soon as it was made", postgres.ErrSlotLost)
	}
	return slot, err
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
