package rig

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
	"orderflow/workflows"
)

// The stores, as processes and as the far ends of edges.
const (
	Temporal  = "temporal"
	KurrentDB = "kurrentdb"
	Postgres  = "postgres"
	SES       = "ses"
)

// Stores returns them.
func Stores() []string { return []string{Temporal, KurrentDB, Postgres, SES} }

// inboxSize is more emails than any run sends: the checker counts them all.
const inboxSize = 200_000

// addStores adds a process for every store. It starts none.
func (r *Rig) addStores(cli string) error {
	for _, store := range Stores() {
		port, err := r.ports.Next()
		if err != nil {
			return err
		}
		r.addresses[store] = devserver.Loopback(port)
	}
	if err := r.addPostgres(); err != nil {
		return err
	}
	r.add(&Process{Name: Temporal, launch: r.launchTemporal(cli), ready: r.listens(Temporal), pause: pauseOne})
	r.addSES()
	if r.options.external() {
		return r.useKurrentDB()
	}
	r.addKurrentsim()
	return nil
}

func (r *Rig) addKurrentsim() {
	r.kurrentdb = url.URL{Scheme: "kurrentdb", RawQuery: "tls=false"}
	r.add(&Process{
		Name: KurrentDB, ready: r.readyPage(KurrentDB, programs.SimulatorReady), pause: pauseOne,
		launch: func(ctx context.Context, _ map[string]string) (child, error) {
			args := []string{"--listen", r.addresses[KurrentDB], "--data", filepath.Join(r.options.Dir, "kurrentdb")}
			for _, link := range r.options.Hidden {
				args = append(args, "--hide-link", link)
			}
			return r.options.launcher().Start(ctx, KurrentDB, "kurrentsim", args, machine().Environ())
		},
	})
}

func (r *Rig) addSES() {
	r.add(&Process{
		Name: SES, ready: r.readyPage(SES, programs.SimulatorReady), pause: pauseOne,
		launch: func(ctx context.Context, _ map[string]string) (child, error) {
			return r.options.launcher().Start(ctx, SES, "sessim", []string{
				"--listen", r.addresses[SES], "--data", filepath.Join(r.options.Dir, "inbox.jsonl"), "--keep", strconv.Itoa(inboxSize),
			}, machine().Environ())
		},
	})
}

func (r *Rig) launchTemporal(cli string) func(context.Context, map[string]string) (child, error) {
	return func(ctx context.Context, _ map[string]string) (child, error) {
		port, err := portOf(r.addresses[Temporal])
		if err != nil {
			return nil, err
		}
		server, err := devserver.StartTemporal(ctx, devserver.TemporalOptions{
			CLIPath: cli, DBFile: filepath.Join(r.options.Dir, "temporal.db"), Port: port, Headless: true,
			SearchAttributes: workflows.SearchAttributes(), LogFile: r.Log(Temporal),
		})
		if err != nil {
			return nil, err // do not return the server: a nil pointer in the interface would not equal nil
		}
		return server, nil
	}
}

// addPostgres adds the server and the alias by which the binaries reach it.
func (r *Rig) addPostgres() error {
	port, err := r.ports.Next()
	if err != nil {
		return err
	}
	if r.clients, err = newAlias(devserver.Loopback(port), r.addresses[Postgres]); err != nil {
		return fmt.Errorf("name of %s: %w", Postgres, err)
	}
	r.add(&Process{Name: Postgres, launch: r.launchPostgres, ready: r.listens(Postgres), pause: pauseFamily})
	return nil
}

func (r *Rig) launchPostgres(ctx context.Context, _ map[string]string) (child, error) {
	port, err := portOf(r.addresses[Postgres])
	if err != nil {
		return nil, err
	}
	server, err := devserver.StartPostgres(ctx, devserver.PostgresOptions{
		Dir: r.primary(), Port: port, LogFile: r.Log(Postgres), Progress: r.options.Progress,
	})
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.postgresURL = server.URL // the password is created at the first start and kept
	return server, nil
}

// listens returns a readiness check for a server that accepts calls once it is started.
func (r *Rig) listens(store string) func(context.Context) error {
	return func(context.Context) error {
		if r.processes[store].running() == nil {
			return errors.New("it is down")
		}
		return nil
	}
}

// readyPage returns a readiness check for a program with a readiness page.
func (r *Rig) readyPage(process, path string) func(context.Context) error {
	return func(ctx context.Context) error { return programs.Ready(ctx, r.addresses[process], path) }
}

// requireBinaries returns an error that names missing programs, before anything is
// started.
func (o Options) requireBinaries() error {
	names := []string{"sessim", Orderflow}
	if !o.external() {
		names = append(names, "kurrentsim")
	}
	for _, binary := range kindsOfBinaries() {
		if o.number(binary) > 0 {
			names = append(names, binary)
		}
	}
	return o.launcher().Require("chaos", names...)
}
