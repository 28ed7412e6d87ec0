package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"orderflow/internal/failpoint"
)

// burst is how many orders are sent at once when it is more than one: the starter's
// concurrency.
const burst = 64

// Crash is one crash of one process.
type Crash struct {
	Point         failpoint.Point
	Hit           int    // the process dies when it reaches the point for the Hit-th time
	Orders        int    // how many are sent at once to get there
	OrderScenario string // the scenario of these orders
}

// Failpoints returns the value of the variable that arms it.
func (c Crash) Failpoints() string { return fmt.Sprintf("%s=crash@%d", c.Point.Name, c.Hit) }

// String returns its name in reports.
func (c Crash) String() string {
	return fmt.Sprintf("%s with %d %s", c.Failpoints(), c.Orders, c.OrderScenario)
}

// Select returns the point of the given name, or all points if only is empty. It returns
// an error if the name is unknown.
func Select(only string) ([]failpoint.Point, error) {
	points := failpoint.Points()
	if only == "" {
		return points, nil
	}
	points = slices.DeleteFunc(points, func(p failpoint.Point) bool { return p.Name != only })
	if len(points) == 0 {
		return nil, fmt.Errorf("must be one of %s", strings.Join(failpoint.Names(), ", "))
	}
	return points, nil
}

// Plan returns the crashes of each point, the given number of times. Every third one
// meets a burst of orders, the others a single order. Of a long plan only one per point
// meets a burst: a test machine completes some five orders a second, and the plan would
// measure that. A plan goes round by round, each in a different order, so that a
// crash meets what others left behind. In each round the emails come first: one that was
// in flight when its process died takes longest to settle. It returns an error that names
// a point which no order reaches.
func Plan(points []failpoint.Point, times int, seed uint64) ([]Crash, error) {
	random := rand.New(rand.NewPCG(seed, 3)) // the workload and the faults draw from other sequences of the same seed
	every := max(3, times)
	var plan []Crash
	for round := range times {
		var mails, others []Crash
		for _, at := range random.Perm(len(points)) {
			c, err := crashAt(points[at], (at+round)%every == 0, random)
			if err != nil {
				return nil, err
			}
			if strings.HasPrefix(c.Point.Name, "worker.mail-") {
				mails = append(mails, c)
			} else {
				others = append(others, c)
			}
		}
		plan = slices.Concat(plan, mails, others)
	}
	return plan, nil
}

func crashAt(p failpoint.Point, inBurst bool, random *rand.Rand) (Crash, error) {
	c := Crash{Point: p, Hit: 1, Orders: 1}
	if inBurst {
		c.Orders = burst
		c.Hit = 1 + random.IntN(burst/2) // half, because not every order reaches every point
		switch step := stepOf(p.Name); {
		case operatorCommands()[step].dies:
			c.Hit = 1 // it is reached once
		case seldom(step):
			c.Hit = 1 + random.IntN(3)
		}
	}
	var err error
	c.OrderScenario, err = leadTo(p.Name, random)
	return c, err
}
