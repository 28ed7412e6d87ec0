package crash

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/chaos/internal/rig"
)

const (
	// deathTimeout bounds getting a process to its point, with orders sent repeatedly.
	deathTimeout = 3 * time.Minute

	// leadPause is how long orders have to reach the point before more are sent.
	leadPause = 4 * time.Second
	leadMore  = 4

	// windowTimeout bounds the wait for what the window left unfinished, settleTimeout
	// that for what an earlier crash left, and settleEvery is how often that is queried.
	// Five processes query at once, and Temporal's SQLite has one connection for them and
	// for the orders.
	windowTimeout = 10 * time.Minute
	settleTimeout = 2 * time.Minute
	settleEvery   = time.Second

	// leadWithin is the latest time at which an order that is to be canceled or paid is.
	// Those that are sent later have longer: on a machine that is behind, an order that is
	// canceled at once has no workflow yet, and never reaches the points after that.
	leadWithin      = 500 * time.Millisecond
	leadLaterWithin = 10 * time.Second

	variable = "FAILPOINTS"
)

// Workload sends orders. load.Load implements it.
type Workload interface {
	Send(ctx context.Context, orderScenario string, n int, within time.Duration) error
}

// Matrix is the plan and what it is carried out on.
type Matrix struct {
	Rig      *rig.Rig
	Workload Workload
	Backlog  func(ctx context.Context) (int64, error) // orders in progress
	Plan     []Crash
	Say      func(format string, args ...any)
}

// Result is the outcome of a plan.
type Result struct {
	Crashes map[string]int // by point
	Missed  []error        // crashes that did not occur, or not as intended
}

// Total returns the number of crashes.
func (r Result) Total() int {
	total := 0
	for _, n := range r.Crashes {
		total += n
	}
	return total
}

// Run carries out the plan with one process of each kind: any other could take the work
// away. The crashes of one process are sequential; different processes crash
// concurrently, as they do when a machine is lost. It continues after a missed crash. Its
// error is about the rig or ctx.
func Run(ctx context.Context, m Matrix) (Result, error) {
	result := &record{Result: Result{Crashes: map[string]int{}}, planned: len(m.Plan), say: m.Say}
	if err := errors.Join(m.settle(ctx, windowTimeout), m.alone(ctx)); err != nil {
		return result.Result, err
	}
	var group errgroup.Group // without a context of its own: the orders that are sent continue after the crashes
	for _, crashes := range crashesByProcess(m.Plan) {
		group.Go(func() error {
			var next *arming
			for i, c := range crashes {
				began := time.Now()
				var err error
				next, err = m.crash(ctx, c, next, crashes[i+1:])
				if ctx.Err() != nil {
					return context.Cause(ctx)
				}
				result.note(c, time.Since(began), err)
			}
			return nil
		})
	}
	err := group.Wait()
	return result.Result, err
}

// crashesByProcess groups the crashes by process.
func crashesByProcess(plan []Crash) map[string][]Crash {
	byProcess := map[string][]Crash{}
	for _, c := range plan {
		byProcess[c.Point.Process()] = append(byProcess[c.Point.Process()], c)
	}
	return byProcess
}

// record is a result that is written concurrently.
type record struct {
	Result
	planned int
	say     func(format string, args ...any)

	mu sync.Mutex
}

func (r *record) note(c Crash, took time.Duration, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	outcome := fmt.Sprintf("%.1fs", took.Seconds())
	if err != nil {
		r.Missed = append(r.Missed, fmt.Errorf("%s: %w", c, err))
		outcome = err.Error()
	} else {
		r.Crashes[c.Point.Name]++
	}
	r.say("crash %d of %d, %s: %s", r.Total()+len(r.Missed), r.planned, c, outcome)
}

// alone stops all processes of a kind except the first.
func (m Matrix) alone(ctx context.Context) error {
	for _, name := range m.Rig.Binaries() {
		if strings.HasSuffix(name, "-1") {
			continue
		}
		if err := m.Rig.Process(name).Stop(ctx); err != nil {
			return fmt.Errorf("stop %s: %w", name, err)
		}
	}
	return nil
}

// crash sends orders that reach a point until the process that is armed there is dead,
// and waits until it is back. It arms the next run for the first of the crashes that
// follow, so that a crash costs one start.
func (m Matrix) crash(ctx context.Context, c Crash, armed *arming, following []Crash) (next *arming, err error) {
	if err := m.settle(ctx, settleTimeout); err != nil {
		return armed, err
	}
	dying, cancel := context.WithTimeout(ctx, deathTimeout)
	defer cancel()
	send := func(n int, within time.Duration) error { return m.Workload.Send(ctx, c.OrderScenario, n, within) }
	if e, ok := operatorCommands()[stepOf(c.Point.Name)]; ok && e.dies {
		return nil, errors.Join(send(c.Orders, leadWithin), m.crashCommand(dying, c, e))
	} else if ok {
		orders := send
		send = func(n int, within time.Duration) error {
			return errors.Join(orders(n, within), m.Rig.Run(dying, e.line[0], e.line[1:]...))
		}
	}
	process := m.Rig.Process(c.Point.Process() + "-1")
	if process == nil {
		return nil, fmt.Errorf("there is no %s", c.Point.Process())
	}
	if armed, err = m.arm(dying, process, c, armed); err != nil {
		return nil, err
	}
	if next, err = m.armNext(process, c, following); err != nil {
		return nil, err
	}
	// The orders outlive the crash: their remaining work is done when the process is
	// back.
	death, err := drive(dying, process, armed.seen, c, send)
	if err != nil {
		return next, err
	}
	return next, errors.Join(proper(death, c, armed.log), process.AwaitReady(dying))
}

// crashCommand lets a command die at its point and then succeed: no cleanup may be
// necessary before.
func (m Matrix) crashCommand(ctx context.Context, c Crash, e operatorCommand) error {
	_, err := m.Rig.OutputWith(ctx, map[string]string{variable: c.Failpoints()}, e.line[0], e.line[1:]...)
	if err := properCommand(err, c); err != nil {
		return err
	}
	return m.Rig.Run(ctx, e.line[0], e.line[1:]...)
}

// properCommand returns an error unless a command that ended with err died where and how
// it was meant to.
func properCommand(err error, c Crash) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.String() != "signal: killed" || !strings.HasSuffix(err.Error(), "failpoint "+c.Point.Name+": crash") {
		return fmt.Errorf("it did not die at the point: %w", cmp.Or(err, errors.New("it went through")))
	}
	return nil
}

// settle waits until no more orders are in progress than one burst. Crashes that come
// faster than a machine can recover would only measure its capacity.
func (m Matrix) settle(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	var last int64
	for {
		under, err := m.Backlog(ctx)
		if err == nil {
			last = under
		}
		if err == nil && under <= burst {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%d orders are still in progress: %w", last, errors.Join(context.Cause(ctx), err))
		}
	}
}

// drive sends orders until the armed process is dead.
func drive(ctx context.Context, p *rig.Process, seen int, c Crash, send func(n int, within time.Duration) error) (rig.Death, error) {
	for n, within := c.Orders, leadWithin; ; n, within = leadMore, leadLaterWithin {
		if err := send(n, within); err != nil {
			return rig.Death{}, err
		}
		waiting, cancel := context.WithTimeout(ctx, leadPause)
		death, err := armedDeath(waiting, p, seen, c)
		cancel()
		if err == nil {
			return death, nil
		}
		if ctx.Err() != nil {
			return rig.Death{}, fmt.Errorf("it did not come to the point: %w", err)
		}
	}
}

// armedDeath waits for the death of the run in which the crash was armed. Arming ended
// the previous run.
func armedDeath(ctx context.Context, p *rig.Process, seen int, c Crash) (rig.Death, error) {
	for ; ; seen++ {
		death, err := p.AwaitDeathAfter(ctx, seen)
		if err != nil || death.Variables[variable] == c.Failpoints() {
			return death, err
		}
	}
}

// proper returns an error unless a process died where and how it was meant to.
func proper(death rig.Death, c Crash, log tail) error {
	if death.Asked || !death.Killed() {
		return fmt.Errorf("it died otherwise: %s", death.Cause)
	}
	hits, err := log.count("failpoint " + c.Point.Name + ": crash")
	if err == nil && hits != 1 {
		err = fmt.Errorf("it was killed, and logged the point %d times", hits)
	}
	return err
}
