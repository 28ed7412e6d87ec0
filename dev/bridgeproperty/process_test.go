package bridgeproperty_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
)

// settingsVariable has the settings of a bridge process, in JSON. The test binary runs
// such a process if it is set.
const settingsVariable = "BRIDGEPROPERTY_SETTINGS"

// settings are what a bridge process is told.
type settings struct {
	KurrentDB, Temporal string // through the proxies
	Stream, Group       string
	Outcomes            string // file
	Concurrency         int
	UpdateConcurrency   int
	MessageTimeout      time.Duration
	HoldTimeout         time.Duration
}

func (s settings) subscription() bridge.Subscription {
	return bridge.Subscription{Stream: s.Stream, Group: s.Group, MessageTimeout: s.MessageTimeout, BufferSize: s.Concurrency}
}

// runBridge runs a bridge until standard input ends, which it also does when the test is
// killed.
func runBridge(encoded string) error {
	var s settings
	if err := json.Unmarshal([]byte(encoded), &s); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	events, err := bridge.Connect(s.KurrentDB, bridge.ConnectOptions{AllowPlaintext: true, CallTimeout: 3 * time.Second})
	if err != nil {
		return err
	}
	defer events.Close()
	temporal, err := client.NewLazyClient(client.Options{HostPort: s.Temporal, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return fmt.Errorf("temporal: %w", err)
	}
	defer temporal.Close()
	file, err := os.OpenFile(s.Outcomes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	b, err := bridge.New(bridge.Options{
		KurrentDB: events, Router: &bridge.Router{Temporal: temporal, Routes: routes(events)}, Subscription: s.subscription(),
		Concurrency: s.Concurrency, UpdateConcurrency: s.UpdateConcurrency, DrainTimeout: 100 * time.Millisecond, HoldTimeout: s.HoldTimeout,
		ProbeInterval: 2 * time.Second, InspectInterval: 5 * time.Second,
		Logger:         slog.New(slog.NewTextHandler(os.Stderr, nil)).With("pid", os.Getpid()),
		TracerProvider: trace.NewTracerProvider(trace.WithSpanProcessor(recorder{file})),
	})
	if err != nil {
		return err
	}
	return b.Run(ctx)
}

// recorder writes the outcome of each event as a line of a file: its stream, its id and
// its result. A bridge ends the span of an event before it acknowledges or parks it.
type recorder struct{ file *os.File }

// OnStart does nothing.
func (recorder) OnStart(context.Context, trace.ReadWriteSpan) {}

// OnEnd writes the outcome, unless the event was abandoned or returned to the server.
func (r recorder) OnEnd(span trace.ReadOnlySpan) {
	found := map[attribute.Key]string{}
	for _, a := range span.Attributes() {
		found[a.Key] = a.Value.AsString()
	}
	result := found["bridge.result"]
	if result == "" {
		return
	}
	line := fmt.Sprintf("%s %s %s\n", found["messaging.destination.name"], found["messaging.message.id"], result)
	if _, err := r.file.WriteString(line); err != nil {
		panic(err) // without its outcomes the run says nothing
	}
}

// Shutdown does nothing.
func (recorder) Shutdown(context.Context) error { return nil }

// ForceFlush does nothing.
func (recorder) ForceFlush(context.Context) error { return nil }
