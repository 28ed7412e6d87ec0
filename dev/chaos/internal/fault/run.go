package fault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"orderflow/dev/chaos/internal/rig"
)

// Counts is how often each fault occurred.
type Counts struct {
	ByKind map[Kind]int
	ByRole map[string]int // by kind and target, such as "kill worker" or "reset worker/postgres"
}

// Run carries out a schedule and returns when its last fault is over, or ctx is done. It
// calls say for each fault. An error is about the rig, not about what was broken: a
// process that did not come back, a proxy that is stuck.
func Run(ctx context.Context, r *rig.Rig, schedule []Fault, say func(format string, args ...any)) (Counts, error) {
	counts := Counts{ByKind: map[Kind]int{}, ByRole: map[string]int{}}
	var mu sync.Mutex
	var failure error
	var under sync.WaitGroup
	began := time.Now()
	for _, f := range schedule {
		wait(ctx, f.At-time.Since(began))
		if ctx.Err() != nil {
			break
		}
		under.Go(func() {
			err := do(ctx, r, f)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && ctx.Err() == nil { // a fault cut short by the end of the window has still occurred
				failure = fmt.Errorf("%s: %w", f, err)
				say("%s", failure)
				return
			}
			counts.ByKind[f.Kind]++
			counts.ByRole[string(f.Kind)+" "+role(f.Target)]++
		})
		say("%6.1fs %s", time.Since(began).Seconds(), f)
	}
	under.Wait()
	return counts, failure
}

// role removes the numbers from a target: worker-2/postgres becomes worker/postgres.
func role(target string) string {
	from, to, edge := strings.Cut(target, "/")
	from, _, _ = strings.Cut(from, "-")
	if !edge {
		return from
	}
	to, _, _ = strings.Cut(to, "-")
	return from + "/" + to
}

func do(ctx context.Context, r *rig.Rig, f Fault) error {
	k, ok := byName(f.Kind)
	if !ok {
		return fmt.Errorf("no such kind of fault")
	}
	return k.do(ctx, r, f)
}
