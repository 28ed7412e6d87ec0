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
	"strings"
	"time"

	"orderflow/dev/chaos/internal/load"
)

// judgeTimeout bounds reading every store from end to end, twice.
const judgeTimeout = 10 * time.Minute

// judge has everybody look at the stores who can tell whether all is well, now that everything is at rest.
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

// check asks the checker, which knows nothing but the stores and the logs.
func (s *session) check(ctx context.Context) error {
	var found struct {
		Violations []load.Violation `json:"violations"`
	}
	var err error
	args := []string{"--logs", filepath.Dir(s.rig.Log("any"))}
	for _, span := range s.rig.Lost() {
		args = append(args, "--lost", span.From.Format(time.RFC3339Nano)+"/"+span.To.Format(time.RFC3339Nano))
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

// mend has the product repair what it is not to survive by itself: workflows that were ended by force, and orders that the
// projection never showed. It may run beside everything else, so what is still on its way is no fault of it. Once every
// event was taken, an order that it finds missing was lost, unless it was hidden: mending it must not pass for keeping it.
func (s *session) mend(ctx context.Context, workload *load.Load, taken bool) error {
	ctx, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	found, err := s.compare(ctx, "--fix")
	if err != nil {
		return err
	}
	s.report.Mended = append(s.report.Mended, found.reconciled)
	for _, d := range found.Differences {
		if taken && d.Kind == "missing" && !workload.Hides(d.OrderID) {
			s.report.Violations = append(s.report.Violations, load.Violation{
				Invariant: "nothing-lost", Order: d.OrderID, Detail: "its event was taken, and nothing saw to it before it was mended",
			})
		}
	}
	return nil
}

// comparisons is how often a comparison is begun that meets an outage: what was broken may still be catching up.
const comparisons = 5

// comparison is what the product's reconciliation says.
type comparison struct {
	reconciled
	Differences []difference `json:"differences"`
}

// compare runs the product's comparison, again where it could not compare.
func (s *session) compare(ctx context.Context, arguments ...string) (found comparison, err error) {
	arguments = append([]string{"reconcile", "-o", "json", "--grace", "1s"}, arguments...)
	for range comparisons {
		found = comparison{}
		if _, err = s.ask(ctx, &found, "starter", arguments...); err == nil {
			return found, nil
		}
		if ctx.Err() != nil {
			break
		}
		s.say("%s: %v", strings.Join(arguments, " "), err)
	}
	return found, fmt.Errorf("reconcile: %w", err)
}

// reconcile asks the product itself, which is to find nothing that an operator would have to mend.
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
}

// ask runs a program that answers in JSON and exits with 0 or, when it has found something, with 3.
func (s *session) ask(ctx context.Context, into any, binary string, args ...string) (json.RawMessage, error) {
	answer, err := s.rig.Output(ctx, binary, args...)
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != exitViolations) {
		return nil, err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return nil, fmt.Errorf("read its answer: %w", err)
	}
	return answer, nil
}

// fallen finds binaries that ended though nobody had killed or stopped them: what they talk to may be away for any time.
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

// panicked finds binaries that died by a fault of their own: their last words are in their logs.
func (s *session) panicked() []load.Violation {
	var found []load.Violation
	for _, name := range s.rig.Binaries() {
		body, err := os.ReadFile(s.rig.Log(name))
		if err != nil {
			continue // it never said anything
		}
		for _, word := range []string{"\npanic: ", "\nfatal error: ", "WARNING: DATA RACE", "handler panicked"} {
			if bytes.Contains(body, []byte(word)) {
				found = append(found, load.Violation{Invariant: "never-panics", Detail: name + " said " + strings.TrimSpace(word)})
			}
		}
	}
	return found
}
