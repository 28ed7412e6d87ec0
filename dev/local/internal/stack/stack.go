package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
)

// Stack is a stack that is starting, running or stopping.
type Stack struct {
	Description Description

	options     Options
	state       *state
	block       *devserver.Ports // source of automatic ports
	ports       ports
	external    external
	environment programs.Environment // of the binaries
	access      Access

	// broken is canceled, with the reason, when a part ends without being stopped.
	broken   context.Context
	breakOff context.CancelCauseFunc

	mu       sync.Mutex
	parts    map[string]part
	stopping bool
}

// Start starts all parts and returns when all are ready and stack.json is written. If
// anything fails, it stops what it has started.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s, err := prepare(o)
	if err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// prepare locks the state folder and chooses all addresses. It starts nothing.
func prepare(o Options) (*Stack, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	o.Dir = dir
	s := &Stack{options: o, environment: programs.EnvironmentOf(o.Environ), parts: map[string]part{}}
	s.broken, s.breakOff = context.WithCancelCause(context.Background())
	s.external = externalIn(s.environment, o.RealSES)
	if o.TwoVersions && s.external.temporal {
		return nil, errForeignVersions
	}
	if s.state, err = openState(dir); err != nil {
		return nil, err
	}
	if err := s.settlePorts(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.state.withdraw() // a stack that was killed may have left it
	if o.Fresh {
		if err := s.state.forget(); err != nil {
			return nil, errors.Join(err, s.release())
		}
	}
	if s.access, err = grantAccess(s.environment, dir); err != nil {
		return nil, errors.Join(err, s.release())
	}
	s.Description = s.addresses()
	return s, nil
}

func (s *Stack) settlePorts() (err error) {
	if s.options.AutoPorts {
		if s.block, err = devserver.ClaimPorts(); err != nil {
			return err
		}
	}
	s.ports, err = choosePorts(s.block, s.external, s.options.TwoVersions)
	return err
}

// release unlocks the state folder and frees the ports.
func (s *Stack) release() error {
	s.state.close()
	if s.block == nil {
		return nil
	}
	return s.block.Close()
}

// addresses returns the addresses of all parts. The database adds its password once it
// runs.
func (s *Stack) addresses() Description {
	d := Description{
		TemporalAddress: s.environment["TEMPORAL_ADDRESS"],
		KurrentDBURL:    s.environment["KURRENTDB_URL"],
		PostgresURL:     s.environment["POSTGRES_URL"],
		SESURL:          s.environment["AWS_ENDPOINT_URL_SESV2"],
		APIURL:          apiScheme(s.environment) + "://" + devserver.Loopback(s.ports.api),
	}
	if !s.external.kurrentdb {
		d.KurrentDBURL = "kurrentdb://" + devserver.Loopback(s.ports.kurrentdb) + "?tls=false"
	}
	if s.environment.Has("PAYLOAD_KEYS_FILE") {
		d.CodecURL = d.APIURL + "/codec"
	}
	if !s.external.ses {
		d.SESURL = "http://" + devserver.Loopback(s.ports.ses)
	}
	return d
}

// start starts the servers concurrently, then what needs them.
func (s *Stack) start(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(s.broken, func() { cancel(context.Cause(s.broken)) })()
	if err := together(ctx, s.startTemporal, s.startPostgres, s.startKurrentsim, s.startSessim); err != nil {
		return s.because(err)
	}
	s.environment = ofBinaries(s.environment, s.Description, s.external, s.options.Hold, s.options.RealSES)
	if err := together(ctx, s.migrate, s.ensureSearchAttributes); err != nil {
		return s.because(err)
	}
	go s.access.followTokens(s.broken.Done())
	if err := together(ctx, s.startProducts()...); err != nil {
		return s.because(err)
	}
	if err := s.routeWork(ctx); err != nil {
		return s.because(err)
	}
	s.Description.PIDs = s.pids()
	return s.state.describe(s.Description)
}

func together(ctx context.Context, steps ...func(context.Context) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, step := range steps {
		group.Go(func() error { return step(ctx) })
	}
	return group.Wait()
}

// because returns the reason a part ended, in preference to an error that followed from
// it. An error that itself says which part ended takes precedence: the parts stopped
// because of it then appear to have ended too.
func (s *Stack) because(err error) error {
	var ended *EndedError
	if errors.As(err, &ended) {
		return err
	}
	return cmp.Or(s.Why(), err)
}

func (s *Stack) pids() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	pids := map[string]int{"local": os.Getpid()}
	for name, p := range s.parts {
		pids[name] = p.pid
	}
	return pids
}

// Broken returns a channel that is closed when a part has ended without being stopped, or
// the stack is stopped.
func (s *Stack) Broken() <-chan struct{} { return s.broken.Done() }

// Why returns the *EndedError of the part that ended without being stopped, or nil if
// there is none.
func (s *Stack) Why() error {
	var ended *EndedError
	if errors.As(context.Cause(s.broken), &ended) {
		return ended
	}
	return nil
}

// Getenv returns a variable as the binaries see it. Clients of the stack connect with the
// same variables.
func (s *Stack) Getenv(name string) string { return s.environment[name] }

// Access returns how this process uses the api.
func (s *Stack) Access() Access { return s.access }

// Log returns the path of a process's log.
func (s *Stack) Log(process string) string { return s.options.launcher().Log(process) }

// add registers a part that has been started and watches for its end.
func (s *Stack) add(p part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts[p.name] = p
	go func() {
		<-p.done
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.stopping {
			s.breakOff(&EndedError{Part: p.name, Log: p.log, Err: p.err()})
		}
	}()
}

// Stop stops all parts within 30 seconds, in the order that lets work finish. Its error
// names those that had to be killed.
func (s *Stack) Stop() error {
	s.mu.Lock()
	s.stopping = true
	parts := maps.Clone(s.parts)
	s.mu.Unlock()
	s.state.withdraw()
	var forced []error
	for _, t := range stopOrder() {
		forced = append(forced, stopTurn(parts, t))
	}
	s.breakOff(nil)
	return errors.Join(append(forced, s.release())...)
}

// stopTurn stops the started parts of a turn. Its error names those that had to be
// killed.
func stopTurn(parts map[string]part, t turn) error {
	ctx, cancel := context.WithTimeout(context.Background(), t.grace)
	defer cancel()
	forced := make([]error, len(t.names))
	var stopping sync.WaitGroup
	for i, name := range t.names {
		if p, started := parts[name]; started {
			stopping.Go(func() { forced[i] = p.stop(ctx) })
		}
	}
	stopping.Wait()
	return errors.Join(forced...)
}
