package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// readTimeout bounds one read of a stream.
const readTimeout = time.Minute

// read prints a stream, one event per line. It uses the official client directly: it is a tool for looking at any server.
func read(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := newFlags("kurrentsim read", stderr)
	url := flags.String("url", "kurrentdb://127.0.0.1:2113?tls=false", "connection string")
	resolve := flags.Bool("resolve", false, "follow links to the events they point at")
	count := flags.Uint64("n", 1<<62, "events to print at most")
	if err := parse(flags, args, 1); err != nil {
		return asUsage(err)
	}
	config, err := kurrentdb.ParseConnectionString(*url)
	if err != nil {
		return usageError{fmt.Sprintf("--url: %v", err)}
	}
	config.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(config)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	stream := flags.Arg(0)
	return explain(printStream(ctx, client, stream, *resolve, *count, stdout), stream, config.Address)
}

func printStream(ctx context.Context, client *kurrentdb.Client, stream string, resolve bool, count uint64, out io.Writer) error {
	events, err := client.ReadStream(ctx, stream, kurrentdb.ReadStreamOptions{ResolveLinkTos: resolve}, count)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		event, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			_, err = fmt.Fprintln(out, line(event))
		}
		if err != nil {
			return err
		}
	}
}

// line is revision, type, creation time and data. A link whose target is gone shows as the link.
func line(event *kurrentdb.ResolvedEvent) string {
	shown := event.Event
	if shown == nil {
		shown = event.Link
	}
	return fmt.Sprintf("%d\t%s\t%s\t%s", event.OriginalEvent().EventNumber, shown.EventType,
		shown.CreatedDate.Format(time.RFC3339Nano), printable(shown))
}

func printable(event *kurrentdb.RecordedEvent) string {
	var compact bytes.Buffer
	if json.Compact(&compact, event.Data) == nil {
		return compact.String()
	}
	if event.EventType == "$>" || event.EventType == "$@" {
		return string(event.Data)
	}
	return "base64:" + base64.StdEncoding.EncodeToString(event.Data)
}

// explain says in one line what went wrong for the person at the terminal.
func explain(err error, stream, address string) error {
	var failed *kurrentdb.Error
	if err == nil || !errors.As(err, &failed) {
		return err
	}
	switch failed.Code() {
	case kurrentdb.ErrorCodeResourceNotFound:
		return fmt.Errorf("stream %q is not there", stream)
	case kurrentdb.ErrorCodeStreamDeleted:
		return fmt.Errorf("stream %q was deleted", stream)
	case kurrentdb.ErrorUnavailable, kurrentdb.ErrorCodeConnectionClosed:
		return fmt.Errorf("no server answers at %s", address)
	}
	return fmt.Errorf("read %q: %w", stream, err)
}
