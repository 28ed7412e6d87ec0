package stack

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"orderflow/dev/devserver"
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
	name  string
	args  []string
	env   []string // nil: the environment of this process
	ready string   // a URL that returns a 2xx status once the program is ready
}

// product is a binary that also runs in production.
type product struct {
	name string
	port int               // of its operations server
	own  map[string]string // variables that the other binaries do not need
}

func (s *Stack) products() []product {
	return []product{
		{workerPart, s.ports.worker, nil},
		{starterPart, s.ports.starter, nil},
		{publisherPart, s.ports.publisher, nil},
		{projectorPart, s.ports.projector, nil},
		{apiPart, s.ports.apiOps, s.apiSettings()},
	}
}

// apiSettings returns the address of the API and the URLs of the pages that it links to.
func (s *Stack) apiSettings() map[string]string {
	own := map[string]string{"API_ADDR": loopback(s.ports.api)}
	if ui := s.Description.TemporalUI; ui != "" {
		own["API_TEMPORAL_UI_URL"] = ui
	}
	if !s.external.kurrentdb {
		own["API_STREAMS_UI_URL"] = "http://" + loopback(s.ports.kurrentdb) + "/web/"
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
	own["OPS_ADDR"] = loopback(p.port)
	own["SHUTDOWN_TIMEOUT"] = (graceOf(p.name) - wrapUp).String() // it must stop within the grace period of the stack
	return s.startBinary(ctx, binary{name: p.name, env: own.Environ(), ready: "http://" + own["OPS_ADDR"] + "/readyz"})
}

// migrate updates the database schema.
func (s *Stack) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	const name = "migrate"
	process, file, err := s.launch(ctx, name, binary{name: operator, args: []string{name}, env: s.environment.Environ()})
	if err != nil {
		return err
	}
	select {
	case <-process.Done():
	case <-ctx.Done():
		_ = process.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL)
		return fmt.Errorf("migrate: %w", context.Cause(ctx))
	}
	if err := process.Err(); err != nil {
		return &EndedError{Part: name, Log: file, Err: err}
	}
	return nil
}

// startBinary starts a program and waits until it is ready.
func (s *Stack) startBinary(ctx context.Context, b binary) error {
	process, file, err := s.launch(ctx, b.name, b)
	if err != nil {
		return err
	}
	s.add(part{name: b.name, pid: process.PID, log: file, done: process.Done(), err: process.Err,
		stop: func(ctx context.Context) error { return process.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL) }})
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := awaitReady(ctx, b.ready, process.Done()); err != nil {
		return notReady(b.name, process, file, err)
	}
	return nil
}

// notReady distinguishes a program that ended from one that takes too long.
func notReady(name string, process *devserver.Process, file string, err error) error {
	select {
	case <-process.Done():
		return &EndedError{Part: name, Log: file, Err: process.Err()}
	default:
		return fmt.Errorf("%s is not ready: %w\nlog: %s", name, err, file)
	}
}

func (s *Stack) launch(ctx context.Context, name string, b binary) (*devserver.Process, string, error) {
	path := filepath.Join(s.options.BinDir, b.name)
	if _, err := os.Stat(path); err != nil {
		return nil, "", fmt.Errorf("%s is not in %s: build it with make build", b.name, s.options.BinDir)
	}
	if b.env == nil {
		b.env = s.options.Environ
	}
	file := s.options.logFile(name)
	rotate(file)
	process, err := devserver.Start(ctx, devserver.Command{Name: name, Path: path, Args: b.args, Env: b.env, LogFile: file})
	return process, file, err
}

// awaitReady polls url until it returns a success. If ctx is done or the process ends
// first, it returns an error with the last failure.
func awaitReady(ctx context.Context, url string, ended <-chan struct{}) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		last := get(ctx, url)
		if last == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return last
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), last)
		}
	}
}

func get(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 == 2 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
}
