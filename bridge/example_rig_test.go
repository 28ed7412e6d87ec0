package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
)

// exampleServers are an example's own KurrentDB simulator and a client of the shared
// Temporal server.
type exampleServers struct {
	events   *kurrentsim.Server
	url      string
	temporal client.Client
}

func startServers() exampleServers {
	events, err := kurrentsim.Start(kurrentsim.Options{})
	check(err)
	return exampleServers{events: events, url: events.URL(), temporal: dialTemporal()}
}

func (s exampleServers) stop() {
	s.temporal.Close()
	check(s.events.Stop(context.Background()))
}

// append appends an event to the stream of a new invoice.
func (s exampleServers) append(eventType, data string) {
	config, err := kurrentdb.ParseConnectionString(s.url)
	check(err)
	config.Logger = kurrentdb.NoopLogging()
	producer, err := kurrentdb.NewClient(config)
	check(err)
	defer func() { check(producer.Close()) }()
	_, err = producer.AppendToStream(context.Background(), newInvoice().stream, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventType: eventType, ContentType: kurrentdb.ContentTypeJson, Data: []byte(data),
	})
	check(err)
}

func dialTemporal() client.Client {
	address, err := bridge.StartTemporal()
	check(err)
	temporal, err := client.Dial(client.Options{HostPort: address, Logger: slog.New(slog.DiscardHandler)})
	check(err)
	return temporal
}

// work runs a worker of a task queue with one workflow, until the returned function is
// called.
func work(temporal client.Client, queue string, reminder any) (stop func()) {
	w := worker.New(temporal, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(reminder, workflow.RegisterOptions{Name: "Reminder"})
	check(w.Start())
	return w.Stop
}

// extendable is a workflow that waits, and can be extended by at most 30 days.
func extendable(ctx workflow.Context) error {
	extend := func(workflow.Context, int) error { return nil }
	validate := func(_ workflow.Context, days int) error {
		if days > 30 {
			return errors.New("too long")
		}
		return nil
	}
	if err := workflow.SetUpdateHandlerWithOptions(ctx, "extend", extend, workflow.UpdateHandlerOptions{Validator: validate}); err != nil {
		return err
	}
	return workflow.Sleep(ctx, time.Hour)
}

// invoice is a stream of its own for each example, however often it runs.
type invoice struct {
	stream string
}

func newInvoice() invoice { return invoice{stream: "invoice-" + uuid.NewString()} }

// event returns a new event of the invoice.
func (i invoice) event(eventType string) bridge.Event {
	return bridge.Event{
		ID: uuid.New(), Stream: i.stream, Type: eventType, ContentType: "application/json", Data: []byte("{}"),
	}
}

// start starts the workflow of ExampleStart.
func (i invoice) start(context.Context, bridge.Event) (bridge.Action, error) {
	return bridge.Start{
		Options:  client.StartWorkflowOptions{ID: "reminder-" + i.stream, TaskQueue: queue},
		Workflow: "Reminder",
	}, nil
}

// apply makes one attempt at each event, as a Bridge does, and prints what became of it.
func apply(routes bridge.Routes, events ...bridge.Event) {
	temporal := dialTemporal()
	defer temporal.Close()
	router := &bridge.Router{Temporal: temporal, Routes: routes}
	for _, event := range events {
		result, err := router.Apply(context.Background(), event)
		fmt.Println(event.Type, outcome(result, err))
	}
}

// outcome returns the result of an attempt, the reason's code if the event would be
// parked, or else the class of the error.
func outcome(result bridge.Result, err error) string {
	var parked *bridge.ParkError
	switch {
	case err == nil:
		return string(result)
	case errors.As(err, &parked):
		code, _, _ := strings.Cut(parked.Reason, ":")
		return code
	default:
		return bridge.Classify(err).String()
	}
}

// check panics if a server of an example fails.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
