package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

const (
	fireTimeout  = 5 * time.Minute // from the fault to the last of its alerts
	clearTimeout = 5 * time.Minute // from its end until no alert fires; a comparison may begin again only after two minutes
	linger       = 5 * time.Second // a fault lasts this much longer than its alerts need, for those that it must not have
	steadyFor    = 5 * time.Second // no alert fires for this long before the next fault
	healTimeout  = 3 * time.Minute // for repairing what a fault broke
	ordersRate   = 3               // per second
)

// session is one run.
type session struct {
	options options
	out     io.Writer
	began   time.Time

	rig      *rig.Rig
	stores   *rig.Direct
	apis     []string // URLs of those that users reach
	workload *load.Load
	metrics  *prometheus
	dir      string
}

func newSession(o options, out io.Writer) *session {
	return &session{options: o, out: out, began: time.Now()}
}

func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.out, "%6.1fs "+format+"\n", append([]any{time.Since(s.began).Seconds()}, args...)...)
}

// run starts everything, goes through the faults, and removes its folder if all is well.
func (s *session) run(ctx context.Context) error {
	ours := s.options.state == ""
	s.dir = s.options.state
	if ours {
		var err error
		if s.dir, err = os.MkdirTemp("", "alerts-"); err != nil {
			return err
		}
	}
	err := s.within(ctx)
	if ours && (err == nil || ctx.Err() != nil) {
		return errors.Join(err, os.RemoveAll(s.dir))
	}
	s.say("databases and logs are in %s", s.dir)
	return err
}

func (s *session) within(ctx context.Context) error {
	source, err := os.ReadFile(s.options.rules)
	if err != nil {
		return err
	}
	s.rig, err = rig.Start(ctx, rig.Options{
		Dir: s.dir, BinDir: s.options.bin, Workers: 3, Starters: 2, Publishers: 1, Projectors: 1, APIs: 3,
		Variables: s.variables(), Progress: s.out,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := s.rig.Stop(); err != nil {
			s.say("stopping: %s", err)
		}
	}()
	if s.stores, err = s.rig.Connect(ctx); err != nil {
		return err
	}
	defer s.stores.Close()
	s.apis = s.rig.ClientURLs()[:2]
	s.workload = s.orders()
	if err := s.special(ctx); err != nil {
		return err
	}
	s.metrics, err = startPrometheus(ctx, s.dir, faster(string(source), s.options.faster), s.targets())
	if err != nil {
		return err
	}
	defer s.metrics.stop()
	working, end := context.WithCancel(ctx)
	var background sync.WaitGroup
	defer background.Wait()
	defer end()
	background.Go(func() { s.place(working) })
	background.Go(func() { s.look(working) })
	background.Go(func() { s.compare(working) })
	return s.breakEach(ctx)
}

// variables are those of all binaries: what waits for an operator does not wait for long
// until the metric shows it.
func (s *session) variables() map[string]string {
	return map[string]string{"CREDIT_HOLD": "10m", "EMAIL_UNKNOWN_POLICY": "hold", "CREDIT_DEFAULT_LIMIT": creditLimit}
}

// targets are the processes that Prometheus scrapes.
func (s *session) targets() []target {
	var all []target
	for _, name := range s.rig.Binaries() {
		binary, _, _ := strings.Cut(name, "-")
		all = append(all, target{job: jobOf(binary), address: s.rig.OpsAddress(name)})
	}
	return all
}

// orders returns the workload: orders that ship, and some that wait for their shipment.
func (s *session) orders() *load.Load {
	return load.New(load.Options{
		Seed: 1, Window: 24 * time.Hour, Rate: ordersRate, OrderScenarios: map[string]int{"shipped-by-signal": 3, "left": 1},
		HTTP: 0.3, Hold: 10 * time.Minute, Stores: s.stores, APIs: s.apis, Say: s.say,
	})
}

// place places orders until ctx is done.
func (s *session) place(ctx context.Context) {
	if err := s.workload.Place(ctx, ctx); err != nil && ctx.Err() == nil {
		s.say("placing orders: %s", err)
	}
}

// look asks the apis for an order again and again, as users do.
func (s *session) look(ctx context.Context) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s.ask(ctx, s.apis[n%len(s.apis)])
	}
}

// ask asks an api for an order, and does not care about the response.
func (s *session) ask(ctx context.Context, api string) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, api+"/orders/order-unknown", nil)
	if err != nil {
		return
	}
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
	}
}

// breakEach goes through the faults, the first of which is none.
func (s *session) breakEach(ctx context.Context) error {
	if err := s.quiet(ctx); err != nil {
		return err
	}
	var failed []string
	for _, f := range faults() {
		if !s.options.only.MatchString(f.name) {
			continue
		}
		err := s.inject(ctx, f)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.say("%-28s %s", f.name, err)
			failed = append(failed, f.name)
		}
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %s", errDiffers, strings.Join(failed, ", "))
	}
	if err := s.awaitClear(ctx, newSeen(), every); err != nil {
		return fmt.Errorf("%w: after the last fault: %w", errDiffers, err)
	}
	return nil
}

// quiet waits until no alert fires, and demands that none does for a while.
func (s *session) quiet(ctx context.Context) error {
	if err := until(ctx, time.Minute, s.metrics.scrapes(len(s.targets()))); err != nil {
		return err
	}
	if err := s.awaitClear(ctx, newSeen(), every); err != nil {
		return fmt.Errorf("before the first fault: %w", err)
	}
	seen := newSeen()
	watching, cancel := context.WithTimeout(ctx, s.options.quiet)
	defer cancel()
	for watching.Err() == nil {
		if err := s.observe(watching, seen); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if len(seen.labels) > 0 {
		return fmt.Errorf("%w: without a fault fired %s", errDiffers, seen)
	}
	s.say("%-28s no alert for %s", "no fault", s.options.quiet)
	return nil
}

// inject breaks one thing, and compares the alerts with the table.
func (s *session) inject(ctx context.Context, f fault) error {
	if slices.ContainsFunc(lingering(), f.demands) {
		if err := s.awaitClear(ctx, newSeen(), f.demands); err != nil {
			return fmt.Errorf("before the fault: %w", err)
		}
	}
	began := time.Now()
	healing, err := f.begin(ctx, s)
	if err != nil {
		return fmt.Errorf("inject: %w", err)
	}
	seen := newSeen()
	fired := s.awaitFiring(ctx, f, seen)
	after := time.Since(began)
	if err := s.heal(ctx, healing); err != nil {
		return fmt.Errorf("repair: %w", err)
	}
	repaired := time.Now()
	if err := s.awaitClear(ctx, seen, f.clears); err != nil {
		return fmt.Errorf("fired %s: %w", seen, err)
	}
	if fired != nil {
		return fmt.Errorf("%w; fired %s", fired, seen)
	}
	if extra := seen.beyond(f); len(extra) > 0 {
		return fmt.Errorf("must not have fired: %s", strings.Join(extra, ", "))
	}
	s.say("%-28s after %.0f s, clear after %.0f s: %s", f.name, after.Seconds(), time.Since(repaired).Seconds(), seen)
	return nil
}

// heal repairs what a fault broke.
func (s *session) heal(ctx context.Context, healing func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	return healing(ctx)
}

// settleUnknown settles the emails of unknown outcome, as an operator does who has looked
// at SES. Any outage may leave some.
func (s *session) settleUnknown(ctx context.Context) error {
	return s.rig.Run(ctx, rig.Orderflow, "email", "resolve", "--status", "unknown",
		"--from", s.began.UTC().Format(time.RFC3339), "--to", time.Now().Add(time.Hour).UTC().Format(time.RFC3339), "--sent")
}

// awaitFiring waits until all alerts of a fault have fired, and a while longer.
func (s *session) awaitFiring(ctx context.Context, f fault, seen *seen) error {
	limit := time.Now().Add(fireTimeout)
	for len(seen.missing(f)) > 0 {
		if time.Now().After(limit) || ctx.Err() != nil {
			return fmt.Errorf("did not fire within %s: %s", fireTimeout, strings.Join(seen.missing(f), ", "))
		}
		if err := s.observe(ctx, seen); err != nil {
			return err
		}
	}
	for end := time.Now().Add(linger); time.Now().Before(end) && ctx.Err() == nil; {
		if err := s.observe(ctx, seen); err != nil {
			return err
		}
	}
	return nil
}

// every is all alerts.
func every(string) bool { return true }

// awaitClear waits until none of the alerts it is about has fired for a while.
func (s *session) awaitClear(ctx context.Context, seen *seen, about func(name string) bool) error {
	limit, since := time.Now().Add(clearTimeout), time.Now()
	for time.Since(since) < steadyFor {
		now := newSeen()
		if err := s.observe(ctx, now); err != nil {
			return err
		}
		seen.add(now.labels)
		if len(now.list(about)) > 0 {
			since = time.Now()
		}
		if _, unknown := now.labels["OrderflowEmailsUnknown"]; unknown {
			if err := s.settleUnknown(ctx); err != nil {
				s.say("settling emails: %s", err)
			}
		}
		if time.Now().After(limit) || ctx.Err() != nil {
			return fmt.Errorf("still fires %s after the repair: %s", clearTimeout, now)
		}
	}
	return nil
}

// observe looks at the alerts after a moment.
func (s *session) observe(ctx context.Context, seen *seen) error {
	select {
	case <-time.After(250 * time.Millisecond):
	case <-ctx.Done():
		return nil
	}
	found, err := s.metrics.firing(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("prometheus: %w", err)
	}
	seen.add(found)
	return nil
}

// seen are the alerts that have fired, by name, with their labels.
type seen struct{ labels map[string][]string }

func newSeen() *seen { return &seen{labels: map[string][]string{}} }

func (s *seen) add(found map[string][]string) {
	for name, labels := range found {
		for _, l := range labels {
			if !slices.Contains(s.labels[name], l) {
				s.labels[name] = append(s.labels[name], l)
			}
		}
	}
}

func (s *seen) missing(f fault) []string {
	return slices.DeleteFunc(slices.Clone(f.fires), func(name string) bool { return s.labels[name] != nil })
}

// beyond lists the alerts that the table does not name for a fault.
func (s *seen) beyond(f fault) []string {
	return s.list(func(name string) bool { return !f.allows(name) })
}

// String lists the alerts with their labels.
func (s *seen) String() string {
	all := s.list(func(string) bool { return true })
	if all == nil {
		return "none"
	}
	return strings.Join(all, ", ")
}

func (s *seen) list(wanted func(name string) bool) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(s.labels)) {
		if wanted(name) {
			all = append(all, fmt.Sprintf("%s{%s}", name, strings.Join(s.labels[name], "; ")))
		}
	}
	return all
}
