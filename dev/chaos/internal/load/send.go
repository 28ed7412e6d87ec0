package load

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Orders that are sent are made up apart from those that are placed, so that none is like another: from a seed and a number
// of their own.
const (
	sentSeed  = 0x5e4d
	sentFirst = 1_000_000
)

// Send begins n more orders of one fate at once, each to be carried out within a while, and does not wait for them. They
// are the workload's as all others are. It is for one caller at a time.
func (w *Load) Send(ctx context.Context, name string, n int, within time.Duration) error {
	known := fates()
	i := slices.IndexFunc(known, func(f fate) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("send orders: there is no fate %q", name)
	}
	if w.sender == nil {
		o := w.options
		o.Seed ^= sentSeed
		w.sender = newMaker(o)
		w.sender.made = sentFirst
	}
	for range n {
		p, err := w.sender.make(known[i], false)
		if err != nil {
			return err
		}
		p.within = within
		w.begin(ctx, p, func() {})
	}
	return nil
}
