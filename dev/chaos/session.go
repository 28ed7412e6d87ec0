package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/chaos/internal/fault"
	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

// healTimeout bounds bringing every process back when the faults are over.
const healTimeout = 2 * time.Minute

// progressEvery is how often progress is printed.
const progressEvery = 15 * time.Second

// shareOfHTTP is the share of orders placed through the api, if there is one.
const shareOfHTTP = 0.2

// session is one run.
type session struct {
	options options
	stdout  io.Writer
	stderr  io.Writer
	began   time.Time
	rig     *rig.Rig
	stores  *rig.Direct
	report  report
	missed  error // crashes that did not occur

	talking sync.Mutex
}

func newSession(o options, stdout, stderr io.Writer) *session {
	return &session{options: o, stdout: stdout, stderr: stderr, began: time.Now(), report: report{
		Command: o.again(), Seed: o.seed, Scenario: o.scenario.name, Crashes: map[string]int{},
	}}
}

func (s *session) elapsed() time.Duration { return time.Since(s.began) }

// say prints progress to standard error.
func (s *session) say(format string, args ...any) {
	s.talking.Lock()
	defer s.talking.Unlock()
	_, _ = fmt.Fprintf(s.stderr, "%6.1fs "+format+"\n", append([]any{s.elapsed().Seconds()}, args...)...)
}

// run starts the rig, breaks it, and prints the report. The folder is kept if there are
// violations.
func (s *session) run(ctx context.Context) error {
	s.say("seed %d; again: %s", s.options.seed, s.options.again())
	dir, ours, err := s.folder()
	if err != nil {
		return err
	}
	err = s.within(ctx, dir)
	if err == nil {
		err = s.missed
	}
	if err == nil && len(s.report.Violations) > 0 {
		err = errViolations
	}
	switch {
	case ours && !s.options.keep && (err == nil || ctx.Err() != nil):
		err = errors.Join(err, os.RemoveAll(dir))
	default:
		s.say("databases and logs are in %s", dir)
	}
	return err
}

func (s *session) folder() (dir string, ours bool, err error) {
	if s.options.state != "" {
		dir, err = filepath.Abs(s.options.state)
		return dir, false, err
	}
	dir, err = os.MkdirTemp("", "chaos-")
	return dir, true, err
}

// within starts everything and keeps it running for the duration of the run.
func (s *session) within(ctx context.Context, dir string) error {
	amount, err := s.amount()
	if err != nil {
		return err
	}
	hidden, err := load.Hidden(amount)
	if err != nil {
		return err
	}
	running, err := rig.Start(ctx, rig.Options{
		Dir: dir, BinDir: s.options.bin, ReleaseDir: s.options.release, Workers: s.workers(), Starters: s.starters(), Publishers: s.options.scenario.publishers,
		Projectors: s.options.scenario.projectors, APIs: s.options.scenario.apis,
		EmailEvents: s.options.scenario.emailEvents, KurrentDB: s.options.kurrentdb, Hidden: hidden, Variables: s.options.scenario.variables, Progress: s.stderr,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := running.Stop(); err != nil {
			s.say("stopping: %s", err)
		}
	}()
	s.rig = running
	s.say("everything is up")
	if s.stores, err = running.Connect(ctx); err != nil {
		return err
	}
	defer s.stores.Close()
	tending, end := context.WithCancel(ctx)
	var tended sync.WaitGroup
	tended.Go(func() { s.rig.TendTemporal(tending, s.stores, s.say) })
	defer tended.Wait()
	defer end()
	if err := s.breakAll(ctx, s.workload(amount)); err != nil {
		return err
	}
	return errors.Join(s.judge(ctx), s.print())
}

func (s *session) workers() int  { return orTwo(s.options.scenario.workers) }
func (s *session) starters() int { return orTwo(s.options.scenario.starters) }

func orTwo(n int) int {
	if n == 0 {
		return 2
	}
	return n
}

// breakAll runs the workload and the faults concurrently, crashes at every requested
// failpoint, heals everything and waits until it has settled.
func (s *session) breakAll(ctx context.Context, workload *load.Load) error {
	living, end := context.WithCancel(ctx)
	defer end()
	for _, part := range []func(context.Context, *load.Load) error{s.breakWhile, s.restore, s.crash} {
		if err := part(living, workload); err != nil {
			return err
		}
	}
	if err := s.heal(ctx); err != nil {
		return err
	}
	s.say("healed, waiting until everything has settled")
	healed := time.Now()
	draining, drained := context.WithTimeout(ctx, s.options.drain)
	defer drained()
	workload.Through(draining)
	if workload.NeedsRepair() || len(s.report.Lost) > 0 || s.report.Restored != nil {
		if err := s.repairAll(ctx, draining, workload); err != nil {
			return err
		}
	}
	rest := workload.Settle(draining)
	s.report.DrainSeconds = time.Since(healed).Seconds()
	s.account(rest)
	return context.Cause(ctx)
}

func (s *session) heal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	if err := s.rig.Heal(ctx); err != nil {
		return fmt.Errorf("heal: %w", err)
	}
	return nil
}

// restore has the product repair what a failover of PostgreSQL lost, as its documentation
// requires. Orders that lost their rows cannot close before that, and the steps that ship
// and cancel them wait for a response.
func (s *session) restore(ctx context.Context, workload *load.Load) error {
	lost := s.rig.Lost()
	if len(lost) == 0 {
		return nil
	}
	if err := s.heal(ctx); err != nil {
		return err
	}
	for _, span := range lost {
		s.report.Lost = append(s.report.Lost, span.To.Sub(span.From).Seconds())
	}
	s.say("PostgreSQL lost its commits of %.1f s", s.report.Lost)
	return s.repairLost(ctx, workload)
}

func (s *session) workload(o load.Options) *load.Load {
	o.Stores, o.APIs, o.Say, o.Behind = s.stores, s.rig.ClientURLs(), s.say, s.rig.Behind
	return load.New(o)
}

// amount returns the size of the workload.
func (s *session) amount() (load.Options, error) {
	sc := s.options.scenario
	rate := sc.rate
	if s.options.rate > 0 {
		rate = s.options.rate
	}
	var http float64
	if sc.apis > 0 {
		http = shareOfHTTP
	}
	hold, err := rig.Hold(sc.variables)
	return load.Options{
		Hold: hold, HTTP: http, Shown: s.options.kurrentdb != "", Seed: s.options.seed, Orders: sc.orders, Window: sc.window(s.options.minutes), Rate: rate, OrderScenarios: sc.orderScenarios,
		Hot: sc.hot, CreditPerOrder: sc.creditPerOrder, Mail: sc.mail, Pace: sc.pace,
	}, err
}

// longestDrill is how many windows long orders are placed at most while a drill is going
// on: a machine that is too slow for both must end it.
const longestDrill = 3

// window returns a context that ends when no more orders are placed: after the scenario's
// window, or when its drill is over.
func (s *session) window(ctx context.Context) (context.Context, context.CancelFunc) {
	window := s.options.scenario.window(s.options.minutes)
	if s.options.scenario.drills() {
		window *= longestDrill
	}
	return context.WithTimeout(ctx, window)
}

// breakWhile places orders and runs the schedule of faults concurrently.
func (s *session) breakWhile(ctx context.Context, workload *load.Load) error {
	sc := s.options.scenario
	window, cancel := s.window(ctx)
	defer cancel()
	schedule := fault.Schedule(fault.Plan{
		Seed: s.options.seed, Window: sc.window(s.options.minutes), Processes: s.rig.Processes(), Edges: s.rig.Edges(),
		Kinds: sc.faults, Rate: sc.faultRate, Only: sc.breaks,
	})
	s.say("orders for %s, %d faults", sc.window(s.options.minutes), len(schedule))
	var counts fault.Counts
	var broken error
	faults := make(chan struct{})
	go func() {
		defer close(faults)
		counts, broken = fault.Run(window, s.rig, schedule, s.faultLog())
	}()
	var drill errgroup.Group
	if sc.drills() {
		drill.Go(func() error {
			defer cancel()
			return s.drill(ctx, workload)
		})
	}
	telling := s.logProgress(window, workload)
	began := time.Now()
	err := workload.Place(ctx, window)
	<-faults
	cancel()
	telling.Wait()
	s.report.Minutes = time.Since(began).Minutes()
	s.report.Faults, s.report.FaultTargets = counts.ByKind, counts.ByRole
	return errors.Join(err, broken, drill.Wait())
}

// logProgress prints the number of orders at intervals until ctx is done.
func (s *session) logProgress(ctx context.Context, workload *load.Load) *sync.WaitGroup {
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.say("%d orders are placed", workload.Placed())
			case <-ctx.Done():
				return
			}
		}
	})
	return &telling
}

// faultLog returns the function that reports each fault.
func (s *session) faultLog() func(string, ...any) {
	if s.options.verbose {
		return s.say
	}
	return func(string, ...any) {}
}

// account adds the result of the workload and of the processes to the report.
func (s *session) account(rest load.Rest) {
	r := &s.report
	r.Orders, r.Statuses, r.HTTP, r.MailFaults, r.UnknownMails = rest.Orders, rest.Statuses, rest.HTTP, rest.MailFaults, rest.Unknown
	r.Duplicates = duplicates(rest.Orders)
	r.Violations = append(r.Violations, rest.Violations...)
	for _, n := range rest.Orders {
		r.Placed += n
	}
	r.Starts, r.Deaths = map[string]int{}, map[string]int{}
	for _, name := range s.rig.Processes() {
		r.Starts[name] = s.rig.Process(name).Starts()
		for _, death := range s.rig.Process(name).Deaths() {
			if !death.Asked && len(death.Variables) == 0 {
				r.Deaths[name+": "+death.Cause]++
			}
		}
	}
	s.say("settled after %.1f s: %d orders, %v", r.DrainSeconds, r.Placed, r.Statuses)
}
