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
	// startTimeout bounds bringing everything up on a busy machine.
	startTimeout = 3 * time.Minute

	// stopGrace is how long a process may take to stop before it is forced.
	stopGrace = 8 * time.Second

	// readyEvery is how often a process is asked whether it is ready.
	readyEvery = 50 * time.Millisecond
)

// Rig is everything that runs.
type Rig struct {
	options   Options
	ports     *devserver.Ports
	proxies   *toxiproxy.ApiServer
	processes map[string]*Process
	edges     map[string]*Edge
	addresses map[string]string // of stores and operations servers, by process
	fronts    map[string]string // of apis as clients reach them, by process

	kurrentdb   url.URL // its connection string, but for the address
	clients     *alias  // the name that the binaries use for PostgreSQL
	mu          sync.Mutex
	postgresURL string
	cluster     string     // the folder of the PostgreSQL that is the primary
	copies      int        // standbys so far
	standbys    []*standby // that live until the rig stops
	lost        []Interval // when commits were made that a failover has lost

	stop        context.CancelFunc // ends the supervision
	supervising sync.WaitGroup
}

// Start brings everything up and returns when all of it is ready. The context is for starting alone. What it started is
// stopped again when anything fails.
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

// prepare settles what there will be. Nothing runs yet.
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
	if err := requireBinaries(o); err != nil {
		return nil, err
	}
	ports, err := devserver.ClaimPorts()
	if err != nil {
		return nil, err
	}
	r := &Rig{
		cluster: filepath.Join(o.Dir, Postgres), options: o, ports: ports, proxies: newProxies(),
		processes: map[string]*Process{}, edges: map[string]*Edge{}, addresses: map[string]string{},
		fronts: map[string]string{},
	}
	cli, err := devserver.TemporalCLI(ctx, "", o.Progress)
	if err != nil { // binaries that were copied elsewhere may have brought it along
		if cli, err = devserver.TemporalCLI(ctx, o.BinDir, o.Progress); err != nil {
			return nil, err
		}
	}
	return r, errors.Join(r.addStores(cli), r.addBinaries())
}

// add takes a process in. Its edges are open exactly while it runs: one that is down refuses, it does not accept and hang up.
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
	if err := r.Run(ctx, "worker", "migrate"); err != nil {
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

// Process gives a process by its name; nil when there is none.
func (r *Rig) Process(name string) *Process { return r.processes[name] }

// Edge gives an edge by its name; nil when there is none.
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

// Heal takes every toxic off every edge and waits until every process is ready.
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

// Stop ends everything: the binaries first, so that they find their stores for as long as they want them. An error says
// what had to be forced.
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
