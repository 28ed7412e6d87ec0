package kurrentsim_test

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/dev/kurrentsim"
)

func ExampleStart() {
	ctx := context.Background()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = appendAndRead(ctx, server.URL())
	if err = errors.Join(err, server.Stop(ctx)); err != nil {
		fmt.Println(err)
	}
	// Output: 0@greeting-1: hello
}

func appendAndRead(ctx context.Context, url string) error {
	config, err := kurrentdb.ParseConnectionString(url)
	if err != nil {
		return err
	}
	config.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(config)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	_, err = client.AppendToStream(ctx, "greeting-1", kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventType: "greeted", ContentType: kurrentdb.ContentTypeBinary, Data: []byte("hello"),
	})
	if err != nil {
		return err
	}
	stream, err := client.ReadStream(ctx, "greeting-1", kurrentdb.ReadStreamOptions{}, 10)
	if err != nil {
		return err
	}
	defer stream.Close()
	for {
		read, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		event := read.OriginalEvent()
		fmt.Printf("%d@%s: %s\n", event.EventNumber, event.StreamID, event.Data)
	}
}
