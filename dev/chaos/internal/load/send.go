package load

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Orders that are sent are generated separately from those that are placed, so that no
// two are equal: from a seed and a number of their own.
const (
	sentSeed  = 0x5e4d
	sentFirst = 1_000_000
)

// Send starts n more orders of one scenario at once, each to be carried out within a
// while, and does not wait for them. They belong to the workload like all others. It is
// safe for concurrent use.
func (w *Load) Send(ctx context.Context, name string, n int, within time.Duration) error {
	known := orderScenarios()
	i := slices.IndexFunc(known, func(f orderScenario) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("send orders: unknown order scenario %q", name)
	}
	w.sending.Lock()
	defer w.sending.Unlock()
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
