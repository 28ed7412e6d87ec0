package rig

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/devserver"
)

const (
	// startTimeout bounds starting everything on a busy machine.
	startTimeout = 3 * time.Minute

	// stopGrace is how long a process may take to stop before it is killed.
	stopGrace = 8 * time.Second

	// readyEvery is how often a process is asked whether it is ready.
	readyEvery = 50 * time.Millisecond
)

// Rig is everything that runs.
type Rig struct {
	options         Options
	ports           *devserver.Ports
	proxies         *toxiproxy.ApiServer
	processes       map[string]*Process
	edges           map[string]*Edge
	addresses       map[string]string // of stores and operations servers, by process
	clientAddresses map[string]string // of apis as clients reach them, by process

	kurrentdb   url.URL // its connection string, except for the address
	clients     *alias  // the address that the binaries use for PostgreSQL
	mu          sync.Mutex
	postgresURL string
	cluster     string          // the folder of the PostgreSQL that is the primary
	copies      int             // standbys so far
	standbys    []*standby      // they live until the rig stops
	lost        []Interval      // times of commits that a failover has lost
	upgraded    map[string]bool // processes of the present build, in a rig that began with a release

	stop        context.CancelFunc // ends the supervision
	supervising sync.WaitGroup
}

// Start starts everything and returns when all of it is ready. The context applies to
// starting only. If anything fails, Start stops what it has started.
func Start(ctx context.Context, o Options) (*Rig, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	r, err := prepare(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

// prepare determines all processes and addresses. It starts nothing.
func prepare(ctx context.Context, o Options) (*Rig, error) {
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if o.BinDir, err = filepath.Abs(o.BinDir); err != nil {
		return nil, fmt.Errorf("folder of binaries: %w", err)
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := o.requireBinaries(); err != nil {
		return nil, err
	}
	ports, err := devserver.ClaimPorts()
	if err != nil {
		return nil, err
	}
	r := &Rig{
		cluster: filepath.Join(o.Dir, Postgres), options: o, ports: ports, proxies: newProxies(),
		processes: map[string]*Process{}, edges: map[string]*Edge{}, addresses: map[string]string{},
		clientAddresses: map[string]string{}, upgraded: map[string]bool{},
	}
	if o.ReleaseDir != "" {
		if r.options.ReleaseDir, err = filepath.Abs(o.ReleaseDir); err != nil {
			return nil, fmt.Errorf("folder of the release: %w", err)
		}
	}
	if err := r.RotateKeys(); err != nil {
		return nil, fmt.Errorf("payload keys: %w", err)
	}
	cli, err := devserver.TemporalCLI(ctx, "", o.Progress)
	if err != nil { // binaries that were copied elsewhere may have it next to them
		if cli, err = devserver.TemporalCLI(ctx, o.BinDir, o.Progress); err != nil {
			return nil, err
		}
	}
	return r, errors.Join(r.addStores(cli), r.addBinaries())
}

// add registers a process. Its edges are open only while it runs: an edge of a process
// that is down refuses connections, instead of accepting and closing them.
func (r *Rig) add(p *Process) {
	p.up = func(context.Context) error {
		var errs []error
		for _, e := range r.edgesTo(p.Name) {
			errs = append(errs, e.Open())
		}
		return errors.Join(errs...)
	}
	p.down = func() {
		for _, e := range r.edgesTo(p.Name) {
			e.Close()
		}
	}
	r.processes[p.Name] = p
}

func (r *Rig) start(ctx context.Context) error {
	supervision, stop := context.WithCancel(context.WithoutCancel(ctx))
	r.stop = stop
	for _, p := range r.processes {
		r.supervising.Go(func() { p.supervise(supervision) })
	}
	if err := errors.Join(r.startEach(ctx, r.stores()), r.openExternal(ctx)); err != nil {
		return err
	}
	if err := r.migrate(ctx); err != nil {
		return err
	}
	return r.startEach(ctx, r.Binaries())
}

// stores lists the stores that are processes of the rig.
func (r *Rig) stores() []string {
	return slices.DeleteFunc(Stores(), func(name string) bool { return r.processes[name] == nil })
}

func (r *Rig) startEach(ctx context.Context, names []string) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range names {
		group.Go(func() error { return r.processes[name].Start(ctx, nil) })
	}
	return group.Wait()
}

// Binaries lists the processes under test: worker-1, worker-2, starter-1...
func (r *Rig) Binaries() []string {
	return slices.DeleteFunc(r.Processes(), func(name string) bool { return slices.Contains(Stores(), name) })
}

// Processes lists all processes by name.
func (r *Rig) Processes() []string { return slices.Sorted(maps.Keys(r.processes)) }

// Edges lists all edges by name.
func (r *Rig) Edges() []string { return slices.Sorted(maps.Keys(r.edges)) }

// Process returns a process by its name, or nil if there is none.
func (r *Rig) Process(name string) *Process { return r.processes[name] }

// Edge returns an edge by its name, or nil if there is none.
func (r *Rig) Edge(name string) *Edge { return r.edges[name] }

func (r *Rig) edgesTo(store string) []*Edge {
	var found []*Edge
	for _, e := range r.edges {
		if e.To == store {
			found = append(found, e)
		}
	}
	return found
}

// Heal removes every toxic from every edge and waits until every process is ready.
func (r *Rig) Heal(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, e := range r.edges {
		group.Go(func() error { return e.Heal(ctx) })
	}
	for _, p := range r.processes {
		group.Go(func() error { return p.Start(ctx, nil) })
	}
	return group.Wait()
}

// Stop stops everything. The binaries stop first, so that they can reach their stores
// until they end. Its error names what had to be killed.
func (r *Rig) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
	defer cancel()
	err := errors.Join(r.stopEach(ctx, r.Binaries()), r.stopStandbys(ctx), r.stopEach(ctx, r.stores()))
	if r.stop != nil {
		r.stop()
	}
	r.supervising.Wait()
	for _, e := range r.edges {
		e.Close()
	}
	if r.clients != nil {
		r.clients.Close()
	}
	return errors.Join(err, r.ports.Close())
}

func (r *Rig) stopEach(ctx context.Context, names []string) error {
	var group errgroup.Group
	for _, name := range names {
		group.Go(func() error { return r.processes[name].Stop(ctx) })
	}
	return group.Wait()
}
