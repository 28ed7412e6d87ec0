package stack

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
)

const (
	// readyTimeout bounds the start of a binary on a busy machine with cold caches.
	readyTimeout = time.Minute

	// migrateTimeout bounds the migrations of a database that may already hold much data.
	migrateTimeout = 5 * time.Minute

	// wrapUp is the part of a binary's grace period that remains after its own shutdown
	// timeout.
	wrapUp = time.Second
)

// binary is one of the programs next to this one.
type binary struct {
	name    string
	process string // its name as a part; empty: that of the program
	args    []string
	env     []string // nil: the environment of this process
	address string
	ready   string // a path at the address that responds with a success once the program is ready
}

// product is a binary that also runs in production.
type product struct {
	name    string
	port    int               // of its operations server
	own     map[string]string // variables that the other binaries do not need
	process string            // as in binary
}

func (s *Stack) products() []product {
	return append(s.workers(),
		product{name: starterPart, port: s.ports.starter},
		product{name: publisherPart, port: s.ports.publisher},
		product{name: projectorPart, port: s.ports.projector},
		product{name: apiPart, port: s.ports.apiOps, own: s.apiSettings()},
	)
}

// apiSettings returns the address of the API, its tokens and the URLs of the pages that it
// links to.
func (s *Stack) apiSettings() map[string]string {
	own := map[string]string{"API_ADDR": devserver.Loopback(s.ports.api)}
	if file := s.access.tokensFile; file != "" {
		own[tokensVariable] = file
	}
	if ui := s.Description.TemporalUI; ui != "" {
		own["API_TEMPORAL_UI_URL"] = ui
		if !s.environment.Has("API_CODEC_ORIGINS") {
			own["API_CODEC_ORIGINS"] = ui + "," + strings.Replace(ui, "127.0.0.1", "localhost", 1)
		}
	}
	if !s.external.kurrentdb {
		own["API_STREAMS_UI_URL"] = "http://" + devserver.Loopback(s.ports.kurrentdb) + "/web/"
	}
	if !s.external.ses {
		own["API_INBOX_URL"] = s.Description.SESURL
	}
	return own
}

func (s *Stack) startProducts() []func(context.Context) error {
	var steps []func(context.Context) error
	for _, p := range s.products() {
		steps = append(steps, func(ctx context.Context) error { return s.startProduct(ctx, p) })
	}
	return steps
}

// startProduct starts a binary as in production: configured by its environment alone.
func (s *Stack) startProduct(ctx context.Context, p product) error {
	own := maps.Clone(s.environment)
	maps.Copy(own, p.own)
	own["OPS_ADDR"] = devserver.Loopback(p.port)
	own["SHUTDOWN_TIMEOUT"] = (graceOf(p.name) - wrapUp).String() // it must stop within the grace period of the stack
	return s.startBinary(ctx, binary{name: p.name, process: p.process, env: own.Environ(), address: own["OPS_ADDR"], ready: programs.BinaryReady})
}

// migrate updates the database schema.
func (s *Stack) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	const name = "migrate"
	process, err := s.launch(ctx, name, binary{name: operator, args: []string{name}, env: s.environment.Environ()})
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
	case <-ctx.Done():
		_ = process.Stop(ctx)
		return fmt.Errorf("migrate: %w", context.Cause(ctx))
	}
	if err := process.Err(); err != nil {
		return &EndedError{Part: name, Log: s.Log(name), Err: err}
	}
	return nil
}

// startBinary starts a program and waits until it is ready.
func (s *Stack) startBinary(ctx context.Context, b binary) error {
	b.process = cmp.Or(b.process, b.name)
	process, err := s.launch(ctx, b.process, b)
	if err != nil {
		return err
	}
	s.add(part{name: b.process, pid: process.PID, log: s.Log(b.process), done: process.Done(), err: process.Err, stop: process.Stop})
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return s.awaitReady(ctx, b, process)
}

func (s *Stack) launch(ctx context.Context, name string, b binary) (programs.Program, error) {
	launcher := s.options.launcher()
	if err := launcher.Require("build", b.name); err != nil {
		return programs.Program{}, err
	}
	if b.env == nil {
		b.env = s.options.Environ
	}
	rotate(launcher.Log(name))
	return launcher.Start(ctx, name, b.name, b.args, b.env)
}

// awaitReady waits until a program is ready. It returns an *EndedError if the program
// ends first, and the last failure if ctx is done.
func (s *Stack) awaitReady(ctx context.Context, b binary, process programs.Program) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := programs.Ready(ctx, b.address, b.ready)
		if last == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-process.Done():
			return &EndedError{Part: b.process, Log: s.Log(b.process), Err: process.Err()}
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %w\nlog: %s", b.process, context.Cause(ctx), last, s.Log(b.process))
		}
	}
}
