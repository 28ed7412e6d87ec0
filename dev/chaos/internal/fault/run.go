package fault

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"orderflow/dev/chaos/internal/rig"
)

// Counts says how often something broke in each way.
type Counts struct {
	ByKind map[Kind]int
	ByRole map[string]int // kind and what it was done to, such as "kill worker" or "reset worker/postgres"
}

// Run carries a schedule out and returns when its last fault is over, or ctx ends. say is told each fault. An error is
// about the rig, not about what was broken: a process that did not come back, a proxy that is stuck.
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
			if err != nil && ctx.Err() == nil { // what the end of the window cut short has happened all the same
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

// role takes the numbers off a target: worker-2/postgres is worker/postgres.
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
