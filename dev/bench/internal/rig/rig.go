package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

const (
	// callTimeout bounds one call to KurrentDB of a benchmark.
	callTimeout = 30 * time.Second

	// stopTimeout bounds the end of a process before it is killed.
	stopTimeout = 30 * time.Second
)

// Options configure a rig.
type Options struct {
	Dir      string    // databases and logs
	BinDir   string    // the binaries, and the Temporal CLI if there is none on PATH
	Environ  []string  // the binaries get it too, so a setting can be compared with another
	Progress io.Writer // receives a line about each slow step
}

// Rig is the running servers, clients of them, and the binaries that were started.
type Rig struct {
	Temporal    client.Client
	Events      *kurrent.Inspector // of KurrentDB
	DB          *pgxpool.Pool      // of PostgreSQL, for reading what the product has written
	PostgresURL string

	options     Options
	environment programs.Environment // of the binaries
	external    bool                 // KurrentDB is not started here
	ports       *devserver.Ports
	temporal    struct {
		options devserver.TemporalOptions
		server  *devserver.Temporal // nil while it is stopped
	}
	closers []func(context.Context) error // in the order of starting
}

// Start starts the servers and migrates the database. If anything fails, it stops what it
// has started.
func Start(ctx context.Context, o Options) (*Rig, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	o.Dir = dir
	r := &Rig{options: o, environment: programs.EnvironmentOf(o.Environ)}
	r.external = r.environment.Has("KURRENTDB_URL")
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.Stop())
	}
	return r, nil
}

func (r *Rig) start(ctx context.Context) (err error) {
	if err := os.MkdirAll(r.options.Dir, 0o755); err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	if r.ports, err = devserver.ClaimPorts(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		r.startTemporal, r.startPostgres, r.startSES, r.startKurrentDB, r.connect, r.migrate,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops everything, the last that was started first. Its error names what had to be
// killed.
func (r *Rig) Stop() error {
	var forced []error
	for _, stop := range slices.Backward(r.closers) {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		forced = append(forced, stop(ctx))
		cancel()
	}
	if r.ports != nil {
		forced = append(forced, r.ports.Close())
	}
	return errors.Join(forced...)
}

// Getenv returns a variable as the binaries see it.
func (r *Rig) Getenv(name string) string { return r.environment[name] }

// WorkerSettings returns the settings that a worker is started with.
func (r *Rig) WorkerSettings() (config.Worker, error) {
	settings, err := config.Load[struct{ Tuning config.Worker }](r.environment.Environ())
	return settings.Tuning, err
}

// StartsInFlight returns how many starts a starter has in flight.
func (r *Rig) StartsInFlight() (int, error) {
	settings, err := config.Load[config.Subscription](r.environment.Environ())
	return settings.Concurrency, err
}

// PublisherSettings returns the settings that a publisher is started with.
func (r *Rig) PublisherSettings() (config.Publisher, error) {
	return config.Load[config.Publisher](r.environment.Environ())
}

// Say prints a line of progress.
func (r *Rig) Say(format string, args ...any) {
	_, _ = fmt.Fprintf(r.options.Progress, "  "+format+"\n", args...)
}

func (r *Rig) onStop(stop func(context.Context) error) { r.closers = append(r.closers, stop) }

func (r *Rig) launcher() programs.Launcher {
	return programs.Launcher{BinDir: r.options.BinDir, StateDir: r.options.Dir}
}

// address returns an address that nothing else uses while the rig runs.
func (r *Rig) address() (string, error) {
	port, err := r.ports.Next()
	return devserver.Loopback(port), err
}
