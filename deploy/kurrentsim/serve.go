package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"orderflow/internal/kurrentsim"
)

const (
	stopTimeout = 5 * time.Second
	// collectEarly trades a little time for memory: the index of a large log is long-lived, and half of it is room enough
	// for what comes and goes.
	collectEarly = 50
)

func serve(ctx context.Context, args []string, stderr io.Writer) error {
	var options kurrentsim.Options
	flags := newFlags("kurrentsim", stderr)
	flags.StringVar(&options.Listen, "listen", "127.0.0.1:2113", "host:port to serve gRPC and health checks on")
	flags.StringVar(&options.DataDir, "data", "", "directory to keep events in; empty keeps them in memory")
	secure := tlsFlags(flags)
	if err := parse(flags, args, 0); err != nil {
		return asUsage(err)
	}
	var err error
	if options.TLS, err = secure(); err != nil {
		return err
	}
	options.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	debug.SetGCPercent(collectEarly)
	server, err := kurrentsim.Start(options)
	if err != nil {
		return err
	}
	options.Logger.Info("serving", "url", server.URL(), "data", options.DataDir)
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return server.Stop(stopping)
}

// tlsFlags adds the flags of the second port; what it returns reads them after parsing, nil when they are not used.
func tlsFlags(flags *flag.FlagSet) func() (*kurrentsim.TLSOptions, error) {
	var options kurrentsim.TLSOptions
	flags.StringVar(&options.Listen, "listen-tls", "", "host:port to serve gRPC on with TLS and Basic authentication")
	flags.StringVar(&options.CertFile, "tls-cert", "", "certificate file (PEM) for --listen-tls")
	flags.StringVar(&options.KeyFile, "tls-key", "", "key file (PEM) for --listen-tls")
	user := flags.String("user", "", "name:password of the user --listen-tls lets in")
	return func() (*kurrentsim.TLSOptions, error) {
		if options.Listen == "" {
			return nil, nil
		}
		var ok bool
		options.User, options.Password, ok = strings.Cut(*user, ":")
		if !ok || options.User == "" || options.CertFile == "" || options.KeyFile == "" {
			return nil, usageError{"--listen-tls needs --tls-cert, --tls-key and --user name:password"}
		}
		return &options, nil
	}
}

func newFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	return flags
}

// parse takes flags before and after the arguments, of which there must be exactly so many.
func parse(flags *flag.FlagSet, args []string, arguments int) error {
	var positional []string
	for {
		if err := flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return usageError{}
		}
		if flags.NArg() == 0 {
			break
		}
		positional = append(positional, flags.Arg(0))
		args = flags.Args()[1:]
	}
	if len(positional) != arguments {
		return usageError{fmt.Sprintf("%s takes %d arguments, not %q", flags.Name(), arguments, strings.Join(positional, " "))}
	}
	return flags.Parse(positional)
}

// asUsage lets a request for help end well.
func asUsage(err error) error {
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	return err
}
