package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orderflow/dev/chaos/internal/load"
	"orderflow/dev/chaos/internal/rig"
)

// judgeTimeout bounds reading every store completely, twice.
const judgeTimeout = 10 * time.Minute

// repairEvery separates two repairs of what could not be repaired at once.
const repairEvery = 5 * time.Second

// judge runs every check of the stores, now that everything is settled.
func (s *session) judge(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	s.report.Violations = append(s.report.Violations, append(s.panicked(), s.fallen()...)...)
	if err := s.reconcile(ctx); err != nil {
		return err
	}
	if err := s.check(ctx); err != nil {
		return err
	}
	s.say("judged: %d violations", len(s.report.Violations))
	return nil
}

// check runs the checker, which reads only the stores and the logs.
func (s *session) check(ctx context.Context) error {
	var found struct {
		Violations []load.Violation `json:"violations"`
	}
	var err error
	args := []string{"--logs", filepath.Dir(s.rig.Log("any"))}
	for _, span := range s.rig.Lost() {
		args = append(args, "--lost", span.From.Format(time.RFC3339Nano)+"/"+span.To.Format(time.RFC3339Nano))
	}
	if r := s.report.Restored; r != nil && r.Store == rig.KurrentDB {
		args = append(args, "--rewound", r.span.From.Format(time.RFC3339Nano)+"/"+r.span.To.Format(time.RFC3339Nano))
	}
	if s.options.scenario.publishers > 0 {
		args = append(args, "--publisher")
	}
	if s.options.scenario.projectors > 0 {
		args = append(args, "--view")
	}
	if s.report.Checker, err = s.ask(ctx, &found, "checker", args...); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	s.report.Violations = append(s.report.Violations, found.Violations...)
	return nil
}

// repair has the product repair what it is not meant to survive without an operator:
// workflows that were terminated, and orders that the projection never showed. It may run
// while work is in progress, so work in progress does not count as a fault. Once every
// event was taken, an order that it finds missing was lost, unless it was hidden:
// repairing it must not hide the loss.
func (s *session) repair(ctx context.Context, workload *load.Load, taken bool) (comparison, error) {
	ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	found, err := s.compare(ctx, "--fix")
	if err != nil {
		return found, err
	}
	s.report.Mended = append(s.report.Mended, found.reconciled)
	for _, d := range found.Differences {
		if taken && d.Kind == "missing" && !workload.Hides(d.OrderID) {
			s.report.Violations = append(s.report.Violations, load.Violation{
				Invariant: "nothing-lost", Order: d.OrderID, Detail: "its event was taken, and nothing saw to it before it was mended",
			})
		}
	}
	return found, nil
}

// repairAll repairs what is left when all orders have been placed. A row whose workflow has
// not ended can be restored only then, so it repeats the comparison until none is lost, or
// after a restore until nothing is left, or draining is done.
func (s *session) repairAll(ctx, draining context.Context, workload *load.Load) error {
	return s.repairUntil(ctx, draining, workload, workload.Taken(draining), func(found comparison) bool {
		return !found.leavesLost() && (s.report.Restored == nil || found.Left == 0)
	})
}

// repairLost repeats the repair for a while, as long as an order has lost its row and does
// not have it back: a workflow that still sends an email is left alone.
func (s *session) repairLost(ctx context.Context, workload *load.Load) error {
	enough, cancel := context.WithTimeout(ctx, healTimeout)
	defer cancel()
	return s.repairUntil(ctx, enough, workload, false, func(found comparison) bool { return !found.leavesLost() })
}

// repairUntil repeats the repair until it is done, or until there was enough of it, which
// is a part of ctx.
func (s *session) repairUntil(
	ctx, enough context.Context, workload *load.Load, taken bool, done func(comparison) bool,
) error {
	again := time.NewTicker(repairEvery)
	defer again.Stop()
	for {
		found, err := s.repair(ctx, workload, taken)
		if err != nil || done(found) {
			return err
		}
		select {
		case <-again.C:
		case <-enough.Done():
			return context.Cause(ctx) // nil if only enough is over
		}
	}
}

// comparisons is how often a comparison is attempted when it meets an outage: what was
// broken may still be catching up.
const comparisons = 5

// comparison is the output of the product's reconciliation.
type comparison struct {
	reconciled
	Differences []difference `json:"differences"`
}

// leavesLost reports whether an order has lost its row and does not have it back.
func (c comparison) leavesLost() bool {
	return slices.ContainsFunc(c.Differences, func(d difference) bool { return d.Kind == "lost" && !d.Fixed })
}

// compare runs the product's comparison, and repeats it where it could not compare.
func (s *session) compare(ctx context.Context, arguments ...string) (found comparison, err error) {
	arguments = append([]string{"reconcile", "-o", "json", "--grace", "1s"}, arguments...)
	if r := s.report.Restored; r != nil && r.Store == rig.KurrentDB && !slices.Contains(arguments, "--credit") {
		arguments = append(arguments, "--credit")
	}
	for range comparisons {
		found = comparison{}
		if _, err = s.ask(ctx, &found, rig.Orderflow, arguments...); err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			break
		}
		s.say("%s: %v", strings.Join(arguments, " "), err)
	}
	return found, fmt.Errorf("reconcile: %w", err)
}

// reconcile runs the product's own comparison, which must find nothing that an operator
// would have to repair.
func (s *session) reconcile(ctx context.Context) error {
	found, err := s.compare(ctx)
	if err != nil {
		return err
	}
	s.report.Reconcile = found.reconciled
	for _, d := range found.Differences {
		s.report.Violations = append(s.report.Violations, load.Violation{
			Invariant: "reconciles", Order: d.OrderID, Detail: strings.TrimSuffix(d.Kind+": "+d.Detail, ": "),
		})
	}
	return nil
}

// difference is one line of what the product finds.
type difference struct {
	OrderID string `json:"orderId"`
	Kind    string `json:"kind"`
	Detail  string `json:"detail"`
	Fixed   bool   `json:"fixed"`
}

// ask runs a program that prints JSON and exits with 0, or with 3 if it found something.
func (s *session) ask(ctx context.Context, into any, binary string, args ...string) (json.RawMessage, error) {
	answer, err := s.rig.Output(ctx, binary, args...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitViolations) {
		return nil, err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return nil, fmt.Errorf("decode its output: %w", err)
	}
	return answer, nil
}

// fallen finds binaries that ended without being killed or stopped: they must survive any
// outage of what they connect to.
func (s *session) fallen() []load.Violation {
	var found []load.Violation
	for _, name := range s.rig.Binaries() {
		for _, death := range s.rig.Process(name).Deaths() {
			if !death.Asked && len(death.Variables) == 0 {
				found = append(found, load.Violation{Invariant: "stays-up", Detail: name + " ended by itself: " + death.Cause})
			}
		}
	}
	return found
}

// panicked finds binaries that panicked, by their logs.
func (s *session) panicked() []load.Violation {
	var found []load.Violation
	for _, name := range s.rig.Binaries() {
		body, err := os.ReadFile(s.rig.Log(name))
		if err != nil {
			continue // it never logged anything
		}
		for _, word := range []string{"\npanic: ", "\nfatal error: ", "WARNING: DATA RACE", "handler panicked"} {
			if bytes.Contains(body, []byte(word)) {
				found = append(found, load.Violation{Invariant: "never-panics", Detail: name + " said " + strings.TrimSpace(word)})
			}
		}
	}
	return found
}
