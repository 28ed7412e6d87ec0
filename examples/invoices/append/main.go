// Command append appends an event to a stream, as the program that issues invoices would.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

func main() {
	if err := run(os.Getenv("KURRENTDB_URL"), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "append:", err)
		os.Exit(1)
	}
}

func run(url string, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: append STREAM TYPE JSON")
	}
	config, err := kurrentdb.ParseConnectionString(url)
	if err != nil {
		return err
	}
	config.Logger = kurrentdb.NoopLogging()
	events, err := kurrentdb.NewClient(config)
	if err != nil {
		return err
	}
	event := kurrentdb.EventData{EventType: args[1], ContentType: kurrentdb.ContentTypeJson, Data: []byte(args[2])}
	_, err = events.AppendToStream(context.Background(), args[0], kurrentdb.AppendToStreamOptions{}, event)
	return errors.Join(err, events.Close())
}
