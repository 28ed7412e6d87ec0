// Sessim runs the stand-in for Amazon SES: the API, a web inbox, and faults on request,
// on one port.
//
//	sessim --listen 127.0.0.1:8005 --data inbox.jsonl
//
// Point a program at it with AWS_ENDPOINT_URL_SESV2. It exits with 0 when told to stop, 1
// on a failure, 2 on bad arguments.
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
	"syscall"
	"time"

	"orderflow/dev/sessim"
	"orderflow/internal/config"
)

// stopTimeout is short: stopping waits only for pages that are being read.
const stopTimeout = 2 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := config.Report(os.Stderr, run(ctx, os.Args[1:], os.Stderr))
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stderr io.Writer) error {
	options, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	options.Logger = slog.New(slog.NewTextHandler(stderr, nil))
	server, err := sessim.Start(options)
	if err != nil {
		return fmt.Errorf("start ses stand-in: %w", err)
	}
	options.Logger.Info("ses stand-in is ready", "inbox", server.URL()+"/", "data", options.DataFile)
	var failure error
	select {
	case <-ctx.Done():
	case <-server.Done():
		failure = errors.New("ses stand-in stopped unexpectedly")
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if err := server.Stop(stopping); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		failure = errors.Join(failure, fmt.Errorf("stop ses stand-in: %w", err))
	}
	return failure
}

func parse(args []string, stderr io.Writer) (sessim.Options, error) {
	var o sessim.Options
	flags := flag.NewFlagSet("sessim", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // main reports an error once
	flags.StringVar(&o.Listen, "listen", sessim.DefaultListen, "`ADDR` to listen on, host:port")
	flags.StringVar(&o.DataFile, "data", "", "`FILE` that keeps the inbox as JSON lines (default: only in memory)")
	flags.IntVar(&o.Keep, "keep", sessim.DefaultKeep, "`NUMBER` of newest messages to keep")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stderr)
		flags.Usage()
		return o, err
	case err != nil:
		return o, config.Invalid("arguments", "%v", err)
	case flags.NArg() > 0:
		return o, config.Invalid("arguments", "unexpected %q", flags.Arg(0))
	}
	if err := config.CheckAddr(o.Listen); err != nil {
		return o, config.Invalid("--listen", "%v", err)
	}
	if o.Keep < 1 {
		return o, config.Invalid("--keep", "must be at least 1")
	}
	return o, nil
}
