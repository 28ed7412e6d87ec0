package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

const (
	defaultURL = "kurrentdb://127.0.0.1:2113?tls=false"
	// answerTimeout is how long a user at a terminal waits for the server before the
	// command fails.
	answerTimeout = 2 * time.Second
	// callTimeout limits the time to read a page from a reachable server.
	callTimeout = 30 * time.Second
)

// read prints a stream of any server, one event per line.
func read(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("kurrentsim read", stderr)
	address := flags.String("url", cmp.Or(os.Getenv("KURRENTDB_URL"), defaultURL), "connection string; KURRENTDB_URL sets the default")
	resolve := flags.Bool("resolve", false, "follow links to the events they point at")
	limit := flags.Int("n", 0, "events to print at most; 0 prints all")
	if err := parse(flags, args, 1); err != nil {
		return asUsage(err)
	}
	if *limit < 0 {
		return usageError{"-n must not be negative"}
	}
	client, err := kurrent.Open(kurrent.Config{URL: *address, AllowPlaintext: true, CallTimeout: callTimeout})
	if err != nil {
		return badURL(err)
	}
	defer client.Close()
	if err = ping(ctx, client); err == nil {
		p := printer{client: client, resolve: *resolve, out: stdout}
		err = client.ReadStream(ctx, flags.Arg(0), 0, *limit, func(e kurrent.Event) error { return p.print(ctx, e) })
	}
	return explain(err, flags.Arg(0), *address)
}

func ping(ctx context.Context, client *kurrent.Client) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	return client.Ping(ctx)
}

type printer struct {
	client  *kurrent.Client
	resolve bool
	out     io.Writer
}

// print writes revision, type, creation time and data. It prints a link whose target is
// gone as the link itself.
func (p *printer) print(ctx context.Context, e kurrent.Event) error {
	shown := e
	if stream, revision, ok := kurrent.LinkTarget(e); ok && p.resolve {
		target, err := p.client.ReadEvent(ctx, stream, revision)
		switch {
		case err == nil:
			shown = target
		case !kurrent.IsGone(err):
			return err
		}
	}
	_, err := fmt.Fprintf(p.out, "%d\t%s\t%s\t%s\n", e.Revision, shown.Type, shown.Created.Format(time.RFC3339Nano), printable(shown))
	return err
}

func printable(e kurrent.Event) string {
	var compact bytes.Buffer
	if json.Compact(&compact, e.Data) == nil {
		return compact.String()
	}
	if e.Type == "$>" || e.Type == "$@" {
		return string(e.Data)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(e.Data)
}

// explain turns an error into one line for the user at the terminal.
func explain(err error, stream, address string) error {
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return fmt.Errorf("stream %q does not exist", stream)
	case errors.Is(err, kurrent.ErrDeleted):
		return fmt.Errorf("stream %q was deleted", stream)
	case errors.Is(err, kurrent.ErrUnavailable):
		return fmt.Errorf("no server answers at %s", hostOf(address))
	}
	return err
}

// hostOf returns the host without the credentials that a connection string may contain.
func hostOf(address string) string {
	parsed, err := url.Parse(address)
	if err != nil {
		return "the given address"
	}
	return parsed.Host
}

// badURL names the flag where the configuration names the environment variable.
func badURL(err error) error {
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		return err
	}
	problems := make([]string, len(invalid.Faults))
	for i, fault := range invalid.Faults {
		problems[i] = fault.Problem
	}
	return usageError{"--url: " + strings.Join(problems, "; ")}
}
