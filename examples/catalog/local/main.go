// Command local runs the whole catalog on this machine: a Temporal development server, a
// simulator of KurrentDB, a private PostgreSQL cluster, and the catalog itself. It uploads a
// generated video as a browser would, and prints where to watch it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"golang.org/x/sync/errgroup"

	"example.com/catalog/media"
	"example.com/catalog/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "local:", err)
		os.Exit(1)
	}
}

type options struct {
	once   bool   // end when the sample is cataloged
	addr   string // of the pages
	ops    string
	folder string // keeps everything; empty means a temporary folder
}

func parse(args []string, output io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("local", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.BoolVar(&o.once, "once", false, "end when the sample is cataloged")
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8090", "address of the pages")
	flags.StringVar(&o.ops, "ops-addr", "127.0.0.1:9490", "address of /metrics and /readyz")
	flags.StringVar(&o.folder, "folder", "", "keep everything here, and continue with it (default a temporary folder)")
	err = flags.Parse(args)
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return o, err
}

// run runs the stack until ctx ends, or until the sample is cataloged.
func run(ctx context.Context, args []string, stdout io.Writer) (err error) {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	if _, err := media.Find(); err != nil { // before anything is started
		return err
	}
	if o.folder == "" {
		if o.folder, err = os.MkdirTemp("", "catalog-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(o.folder)) }()
	}
	servers, err := startServers(ctx, o.folder, stdout)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.stop()) }()
	return runCatalog(ctx, o, servers, stdout)
}

// runCatalog runs the catalog, and uploads the sample once that accepts requests.
func runCatalog(ctx context.Context, o options, s *servers, stdout io.Writer) error {
	log, err := os.OpenFile(filepath.Join(o.folder, "catalog.log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if err := os.Setenv("TEMPORAL_ADDRESS", s.temporal.Address); err != nil { // the catalog reads it as it does elsewhere
		return err
	}
	config, err := service.Load(map[string]string{
		"KURRENTDB_URL": s.events.URL(), "KURRENTDB_ALLOW_PLAINTEXT": "true", "POSTGRES_URL": s.postgres.URL,
		"CATALOG_FOLDER": filepath.Join(o.folder, "files"), "CATALOG_ADDR": o.addr, "CATALOG_OPS_ADDR": o.ops,
	})
	if err != nil {
		return err
	}
	group, working := errgroup.WithContext(ctx)
	working, end := context.WithCancel(working)
	defer end()
	group.Go(func() error {
		defer end()
		return service.Run(working, config, slog.New(slog.NewTextHandler(log, nil)))
	})
	group.Go(func() error {
		err := showSample(working, "http://"+o.addr, o.folder, stdout)
		if err != nil || o.once {
			end()
			return err
		}
		printAddresses(stdout, o, s)
		return nil
	})
	return group.Wait()
}

// printAddresses prints what leads to the catalog and to what its servers hold.
func printAddresses(stdout io.Writer, o options, s *servers) {
	for _, line := range [][2]string{
		{"catalog", "http://" + o.addr},
		{"workflows", s.temporal.UI},
		{"streams", "http://" + s.events.Addr() + "/web/"},
		{"log", filepath.Join(o.folder, "catalog.log")},
		{"for the commands of README.md", ""},
		{"", "export TEMPORAL_ADDRESS=" + s.temporal.Address},
		{"", "export KURRENTDB_URL='" + s.events.URL() + "'"},
		{"", "export POSTGRES_URL='" + s.postgres.URL + "'"},
	} {
		_, _ = fmt.Fprintf(stdout, "%-12s %s\n", line[0], line[1])
	}
	_, _ = fmt.Fprintln(stdout, "Ctrl-C ends it.")
}
