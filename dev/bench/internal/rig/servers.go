package rig

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// migrateTimeout bounds the migrations of an empty database.
const migrateTimeout = time.Minute

// inboxSize is how many emails the inbox keeps: enough to look at after a failure, and few
// enough that it does not grow with the run.
const inboxSize = 1000

func (r *Rig) startTemporal(ctx context.Context) error {
	cli, err := devserver.TemporalCLI(ctx, r.options.BinDir, r.options.Progress)
	if err != nil {
		return err
	}
	port, err := r.ports.Next()
	if err != nil {
		return err
	}
	r.temporal.options = devserver.TemporalOptions{
		CLIPath: cli, DBFile: filepath.Join(r.options.Dir, "temporal.db"), Port: port, Headless: true,
		SearchAttributes: workflows.SearchAttributes(), LogFile: r.launcher().Log("temporal"),
	}
	if _, err := r.RestartTemporal(ctx); err != nil {
		return err
	}
	r.onStop(r.StopTemporal)
	r.environment.LeadTo(programs.Servers{Temporal: r.temporal.server.Address})
	return nil
}

// StopTemporal stops the Temporal server. It does nothing if the server is stopped.
func (r *Rig) StopTemporal(ctx context.Context) error {
	server := r.temporal.server
	if server == nil {
		return nil
	}
	r.temporal.server = nil
	return server.Stop(ctx)
}

// RestartTemporal starts the Temporal server again after StopTemporal, with its state and
// at its address. It returns once the server accepts calls and knows its namespace, and
// reports when its port opened, which is earlier: clients may get through from then on.
func (r *Rig) RestartTemporal(ctx context.Context) (opened time.Time, err error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	open := make(chan time.Time, 1)
	go func() { open <- awaitPort(waiting, devserver.Loopback(r.temporal.options.Port)) }()
	if r.temporal.server, err = devserver.StartTemporal(ctx, r.temporal.options); err != nil {
		return time.Time{}, err
	}
	return <-open, nil
}

// portPoll is how often a closed port is tried.
const portPoll = 5 * time.Millisecond

// awaitPort returns the time at which an address accepts connections, or at which ctx ends.
func awaitPort(ctx context.Context, address string) time.Time {
	ticker := time.NewTicker(portPoll)
	defer ticker.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = conn.Close()
			return time.Now()
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return time.Now()
		}
	}
}

func (r *Rig) startPostgres(ctx context.Context) error {
	port, err := r.ports.Next()
	if err != nil {
		return err
	}
	server, err := devserver.StartPostgres(ctx, devserver.PostgresOptions{
		Dir: filepath.Join(r.options.Dir, "postgres"), Port: port, LogFile: r.launcher().Log("postgres"), Progress: r.options.Progress,
		Settings: map[string]string{"track_commit_timestamp": "on"}, // for ViewLags
	})
	if err != nil {
		return err
	}
	r.onStop(server.Stop)
	r.PostgresURL = server.URL
	r.environment.LeadTo(programs.Servers{Postgres: server.URL})
	return nil
}

func (r *Rig) startSES(ctx context.Context) error {
	address, err := r.address()
	if err != nil {
		return err
	}
	r.environment.LeadTo(programs.Servers{SES: "http://" + address})
	return r.startSimulator(ctx, "sessim", address, "--data", filepath.Join(r.options.Dir, "inbox.jsonl"), "--keep", strconv.Itoa(inboxSize))
}

// startKurrentDB starts kurrentsim unless the environment names a server.
func (r *Rig) startKurrentDB(ctx context.Context) error {
	if r.external {
		return nil
	}
	address, err := r.address()
	if err != nil {
		return err
	}
	r.environment.LeadTo(programs.Servers{KurrentDB: "kurrentdb://" + address + "?tls=false"})
	return r.startSimulator(ctx, "kurrentsim", address, "--data", filepath.Join(r.options.Dir, "kurrentdb"))
}

func (r *Rig) startSimulator(ctx context.Context, name, address string, args ...string) error {
	_, err := r.launch(ctx, launch{
		program: name, args: append([]string{"--listen", address}, args...), environ: r.options.Environ,
		address: address, ready: programs.SimulatorReady,
	})
	return err
}

// connect opens the clients that the scenarios use. That of Temporal has the options of
// the product's that affect its speed.
func (r *Rig) connect(ctx context.Context) (err error) {
	r.Temporal, err = client.DialContext(ctx, client.Options{
		HostPort: r.Getenv("TEMPORAL_ADDRESS"), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		ConnectionOptions: client.ConnectionOptions{GrpcCompression: temporalclient.Compression()},
	})
	if err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	r.onStop(func(context.Context) error { r.Temporal.Close(); return nil })
	if r.DB, err = pgxpool.New(ctx, r.PostgresURL); err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	r.onStop(func(context.Context) error { r.DB.Close(); return nil })
	settings, err := r.eventsConfig()
	if err != nil {
		return err
	}
	if r.Events, err = kurrent.OpenInspector(settings); err != nil {
		return err
	}
	r.onStop(func(context.Context) error { r.Events.Close(); return nil })
	return nil
}

// OpenEvents opens one more client of KurrentDB, with connections of its own. The caller
// closes it.
func (r *Rig) OpenEvents() (*kurrent.Client, error) {
	settings, err := r.eventsConfig()
	if err != nil {
		return nil, err
	}
	return kurrent.Open(settings)
}

// OpenAppender is like OpenEvents for a client with so many connections, and so as many
// calls in progress.
func (r *Rig) OpenAppender(connections int) (*kurrent.Client, error) {
	settings, err := r.eventsConfig()
	if err != nil {
		return nil, err
	}
	settings.Connections = connections
	return kurrent.Open(settings)
}

func (r *Rig) eventsConfig() (kurrent.Config, error) {
	settings, err := config.Load[config.KurrentDB](r.environment.Environ())
	return kurrent.Config{URL: settings.URL, AllowPlaintext: settings.AllowPlaintext, CallTimeout: callTimeout}, err
}

func (r *Rig) migrate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	return postgres.Migrate(ctx, r.PostgresURL, slog.New(slog.DiscardHandler))
}
