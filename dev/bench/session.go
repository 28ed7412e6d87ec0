package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/report"
	"orderflow/dev/bench/internal/rig"
	"orderflow/dev/bench/internal/scenario"
	"orderflow/internal/version"
)

// How long one scenario may take before it is given up.
const (
	shortLimit = 5 * time.Minute
	fullLimit  = 2 * time.Hour
)

// session is one run of the benchmark.
type session struct {
	options  options
	environ  []string
	progress io.Writer

	report report.Report
}

// run runs all scenarios, also after one has failed. The report has those that ran.
func (s *session) run(ctx context.Context) error {
	if err := os.MkdirAll(s.options.state, 0o755); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	build := version.Read()
	began := time.Now()
	s.report = report.Report{
		Size: sizeName(s.options.size), Rounds: s.options.size.Rounds, Began: began.UTC().Truncate(time.Second), Version: build.Version,
		Commit: cmp.Or(s.options.commit, build.Revision), Machine: report.ThisMachine(), Settings: settingsIn(s.environ),
	}
	if s.options.budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.options.budget, fmt.Errorf("the budget of %s is used up: raise --budget", s.options.budget))
		defer cancel()
	}
	var failed []error
	for i, one := range s.options.scenarios {
		if ctx.Err() != nil {
			for _, skipped := range s.options.scenarios[i:] {
				failed = append(failed, fmt.Errorf("%s: skipped", skipped.Name))
			}
			failed = append(failed, context.Cause(ctx))
			break
		}
		s.say("[%d/%d] %s: %s", i+1, len(s.options.scenarios), one.Name, one.Title)
		failed = append(failed, s.measure(ctx, one))
	}
	s.report.Seconds = seconds(began)
	s.say("took %s", time.Since(began).Round(time.Second))
	return errors.Join(failed...)
}

// measure runs one scenario on servers of its own and adds its outcome to the report.
func (s *session) measure(ctx context.Context, one scenario.Scenario) error {
	began := time.Now()
	outcome := report.Scenario{Name: one.Name, Title: one.Title, About: one.About}
	dir, err := os.MkdirTemp(s.options.state, one.Name+"-")
	if err != nil {
		return fmt.Errorf("%s: %w", one.Name, err)
	}
	limited, cancel := context.WithTimeoutCause(ctx, s.limit(), fmt.Errorf("it took longer than %s", s.limit()))
	outcome.Result, err = s.onServers(limited, dir, one)
	cancel()
	outcome.Seconds = seconds(began)
	s.say("  took %s", time.Since(began).Round(time.Second))
	if err != nil {
		outcome.Error = err.Error()
		err = fmt.Errorf("%s: %w\nstate: %s", one.Name, err, dir)
	} else {
		err = os.RemoveAll(dir)
	}
	s.report.Scenarios = append(s.report.Scenarios, outcome)
	return err
}

func (s *session) onServers(ctx context.Context, dir string, one scenario.Scenario) (result measure.Result, err error) {
	servers, err := rig.Start(ctx, rig.Options{Dir: dir, BinDir: s.options.bin, Environ: s.environ, Progress: s.progress})
	if err != nil {
		return measure.Result{}, err
	}
	defer func() { err = errors.Join(err, servers.Stop()) }()
	if s.report.Servers, err = servers.Versions(ctx); err != nil {
		return measure.Result{}, err
	}
	return one.Run(ctx, servers, s.options.size)
}

func (s *session) limit() time.Duration {
	if s.options.size.Full {
		return fullLimit
	}
	return shortLimit
}

func (s *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.progress, format+"\n", args...)
}

func sizeName(s scenario.Size) string {
	if s.Full {
		return "full"
	}
	return "short"
}

func seconds(since time.Time) float64 { return float64(time.Since(since).Milliseconds()) / 1000 }

// settingsIn returns the variables that set the product's concurrency. Connection strings
// and credentials never get into a report.
func settingsIn(environ []string) []string {
	var found []string
	for _, variable := range environ {
		for _, prefix := range []string{"STARTER_", "WORKER_", "PUBLISHER_", "PROJECTOR_", "CREDIT_", "GOMAXPROCS=", "GOGC=", "GOMEMLIMIT="} {
			if strings.HasPrefix(variable, prefix) {
				found = append(found, variable)
			}
		}
	}
	return found
}
