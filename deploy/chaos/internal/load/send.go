package load

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Send begins n more orders of one fate at once, each to be carried out within a while, and does not wait for them. They
// are the workload's as all others are. It is called when Place has returned, by one caller at a time.
func (w *Load) Send(ctx context.Context, name string, n int, within time.Duration) error {
	known := fates()
	i := slices.IndexFunc(known, func(f fate) bool { return f.name == name })
	if i < 0 {
		return fmt.Errorf("send orders: there is no fate %q", name)
	}
	for range n {
		p, err := w.maker.make(known[i], false)
		if err != nil {
			return err
		}
		p.within = within
		w.begin(ctx, p)
	}
	return nil
}
