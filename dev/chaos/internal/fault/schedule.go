package fault

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Plan is the input of Schedule.
type Plan struct {
	Seed      uint64
	Window    time.Duration // faults begin in it; the last may end a little later
	Processes []string
	Edges     []string
	Kinds     []Kind  // of faults; nil means all
	Only      string  // prefix of the names of what breaks; empty means everything
	Rate      float64 // multiplies every rate; 0 means 1
}

// The longest duration of a fault grows with the window: a minute must see many things
// break and heal again.
const (
	longestShare = 25 // of the window is one
	leastLongest = 2 * time.Second
	mostLongest  = 20 * time.Second
)

func (p Plan) longest() time.Duration {
	return min(max(p.Window/longestShare, leastLongest), mostLongest)
}

// Schedule returns the faults of a run, ordered by time. Equal plans produce equal
// schedules. Every kind occurs at least once for every role it applies to: a kind that is
// rarer than once in the window is rounded up.
func Schedule(p Plan) []Fault {
	random := rand.New(rand.NewPCG(p.Seed, 1)) // the workload draws from another sequence of the same seed
	var all []Fault
	for _, k := range kinds() {
		if p.Kinds != nil && !slices.Contains(p.Kinds, k.name) {
			continue
		}
		for _, target := range p.targets() {
			for range p.count(k, target) {
				all = append(all, k.make(random, target, p))
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return cmp.Compare(a.At, b.At) })
	for i := range all {
		all[i].Toxic.Name = fmt.Sprintf("%s-%d", all[i].Kind, i)
	}
	return all
}

// targets returns everything that may break.
func (p Plan) targets() []string {
	return slices.DeleteFunc(slices.Concat(p.Processes, p.Edges), func(name string) bool { return !strings.HasPrefix(name, p.Only) })
}

// count returns how often a target breaks in a way.
func (p Plan) count(k kind, target string) int {
	rate := k.rate(target) * cmp.Or(p.Rate, 1)
	if rate == 0 {
		return 0
	}
	return max(1, int(rate*p.Window.Minutes()+0.5))
}

func (k kind) make(r *rand.Rand, target string, p Plan) Fault {
	f := Fault{At: time.Duration(r.Int64N(int64(p.Window))), Kind: k.name, Target: target}
	if k.duration != nil {
		f.For = k.duration(r, p.longest())
	}
	if k.toxic != nil {
		f.Toxic = k.toxic(r)
	}
	return f
}
