package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"orderflow/dev/programs"
)

const (
	// readyTimeout bounds the start of a binary.
	readyTimeout = time.Minute

	// readyPoll is how often a process is asked whether it is ready.
	readyPoll = 20 * time.Millisecond

	// scrapePoll is how often it is asked how far it has come. A scrape costs a process as
	// much as two starts of a workflow.
	scrapePoll = 250 * time.Millisecond

	// scrapeTimeout bounds one scrape of metrics.
	scrapeTimeout = 5 * time.Second
)

// Program is a running binary of the product.
type Program struct {
	programs.Program
	name string
	ops  string // address of its operations server
}

// Run starts a binary as in production, configured by its environment alone, and waits
// until it is ready. The variables are added to those of all binaries. The rig stops what
// still runs when it stops.
func (r *Rig) Run(ctx context.Context, name string, variables map[string]string) (*Program, error) {
	address, err := r.address()
	if err != nil {
		return nil, err
	}
	environment := maps.Clone(r.environment)
	environment["OPS_ADDR"] = address
	maps.Copy(environment, variables)
	return r.launch(ctx, launch{program: name, environ: environment.Environ(), address: address, ready: programs.BinaryReady})
}

// Finish runs a command of the product to its end. It returns an error unless the command
// exits with 0.
func (r *Rig) Finish(ctx context.Context, name string, args ...string) error {
	launcher := r.launcher()
	if err := launcher.Require("bench", name); err != nil {
		return err
	}
	process, err := launcher.Start(ctx, name, name, args, r.environment.Environ())
	if err != nil {
		return err
	}
	p := &Program{Program: process, name: name}
	select {
	case <-p.Done():
		if err := p.Err(); err != nil {
			return fmt.Errorf("%s %s: %w\nlog: %s", name, strings.Join(args, " "), err, launcher.Log(name))
		}
		return nil
	case <-ctx.Done():
		return errors.Join(context.Cause(ctx), p.Stop(context.WithoutCancel(ctx)))
	}
}

// launch is a program to start.
type launch struct {
	program       string
	args, environ []string
	address       string
	ready         string // a path at the address that responds with a success once the program is ready
}

func (r *Rig) launch(ctx context.Context, l launch) (*Program, error) {
	launcher := r.launcher()
	if err := launcher.Require("bench", l.program); err != nil {
		return nil, err
	}
	process, err := launcher.Start(ctx, l.program, l.program, l.args, l.environ)
	if err != nil {
		return nil, err
	}
	p := &Program{Program: process, name: l.program, ops: l.address}
	r.onStop(p.Stop)
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err = p.await(ctx, readyPoll, func() error { return programs.Ready(ctx, l.address, l.ready) })
	if err != nil {
		return nil, fmt.Errorf("%w\nlog: %s", err, launcher.Log(l.program))
	}
	return p, nil
}

// await repeats a call until it returns nil. It returns an error if the program ends or
// ctx is done first.
func (p *Program) await(ctx context.Context, poll time.Duration, call func() error) error {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	for {
		last := call()
		if last == nil {
			return nil
		}
		select {
		case <-ticker.C:
		case <-p.Done():
			return fmt.Errorf("%s has ended: %w", p.name, errors.Join(p.Err(), last))
		case <-ctx.Done():
			return fmt.Errorf("%s: %w: %w", p.name, context.Cause(ctx), last)
		}
	}
}

// Stop stops the program in an orderly way, or kills it if ctx is done or too much time
// has passed.
func (p *Program) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	return p.Program.Stop(ctx)
}

// Metric returns the value of a series of the program's metrics, which is written as in
// its exposition: name{label="value"}.
func (p *Program) Metric(ctx context.Context, series string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, scrapeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.ops+"/metrics", http.NoBody)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Accept-Encoding", "identity") // compressing would cost the program more than the rest
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = response.Body.Close() }()
	return seriesOf(response.Body, series)
}

func seriesOf(metrics io.Reader, series string) (float64, error) {
	lines := bufio.NewScanner(metrics)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, err
	}
	return 0, fmt.Errorf("no metric %s", series)
}

// Name returns the name of the binary.
func (p *Program) Name() string { return p.name }

// AwaitSum waits until the sum of series that exist is at least a value.
func (p *Program) AwaitSum(ctx context.Context, least int, series ...string) error {
	return p.await(ctx, scrapePoll, func() error {
		sum := 0.0
		for _, one := range series {
			value, err := p.Metric(ctx, one)
			if err != nil {
				return err
			}
			sum += value
		}
		if sum < float64(least) {
			return fmt.Errorf("%s is %.0f of %d", strings.Join(series, " + "), sum, least)
		}
		return nil
	})
}

// Rate waits until a counter has increased by count, and returns the increase per second
// from the first increase that is seen to the last one before the end. What the program
// does before that, such as connecting, does not count.
func (p *Program) Rate(ctx context.Context, series string, count int) (float64, error) {
	idle := progress{at: time.Now()}
	var first, last progress // within the count
	err := p.await(ctx, scrapePoll, func() error {
		value, err := p.Metric(ctx, series)
		if err != nil {
			return err
		}
		seen := progress{value, time.Now()}
		switch {
		case value >= float64(count):
			if last.value == first.value { // so few that they were not seen in between
				first, last = idle, seen
			}
			return nil
		case value == 0:
			idle = seen
		case first.value == 0:
			first, last = seen, seen
		default:
			last = seen
		}
		return fmt.Errorf("%s is %.0f of %d", series, value, count)
	})
	return (last.value - first.value) / last.at.Sub(first.at).Seconds(), err
}

// progress is a counter's value at a time.
type progress struct {
	value float64
	at    time.Time
}
