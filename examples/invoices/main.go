// Command invoices reminds of invoices that are not paid when they are due. It runs the
// bridge from KurrentDB and the worker of its workflow in one process: the event
// invoice-issued starts a workflow, and invoice-paid ends it. A reminder is only a line of
// the log.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
)

const taskQueue = "invoices"

// The names by which events, workflow and activity find each other. They are stored in
// both servers, so they stay.
const (
	workflowType = "InvoiceReminder"
	paidSignal   = "paid"
	sendActivity = "SendReminder"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Getenv("KURRENTDB_URL"), slog.Default())
	stop()
	if err != nil {
		slog.Error("stopped", "error", err)
		os.Exit(1)
	}
}

// run runs the bridge and the worker until ctx ends. It returns nil once the events and
// the activities in progress are finished.
func run(ctx context.Context, kurrentURL string, logger *slog.Logger) error {
	options, err := envconfig.LoadDefaultClientOptions() // TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and others
	if err != nil {
		return err
	}
	options.Logger = logger
	temporal, err := client.NewLazyClient(options)
	if err != nil {
		return err
	}
	defer temporal.Close()
	events, err := bridge.Connect(kurrentURL, bridge.ConnectOptions{AllowPlaintext: true, Logger: logger})
	if err != nil {
		return err
	}
	defer events.Close()
	b, err := bridge.New(bridge.Options{
		KurrentDB: events,
		Router: &bridge.Router{
			Temporal: temporal, Namespace: options.Namespace,
			Routes: bridge.Routes{"invoice-issued": issued, "invoice-paid": paid},
		},
		Subscription: bridge.Subscription{Stream: "$ce-invoice", Group: "reminders"},
		Logger:       logger,
	})
	if err != nil {
		return err
	}

	working, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	w := worker.New(temporal, taskQueue, worker.Options{WorkerStopTimeout: 20 * time.Second, OnFatalError: fail})
	register(w, logger)
	if err := w.Start(); err != nil {
		return err
	}
	err = b.Run(working)
	w.Stop()
	if ctx.Err() == nil {
		return context.Cause(working) // the worker has failed
	}
	return err
}

// issued starts the workflow of an invoice.
func issued(_ context.Context, event bridge.Event) (bridge.Action, error) {
	var data struct{ Due time.Time }
	if err := event.Decode(&data); err != nil {
		return nil, err
	}
	if data.Due.IsZero() {
		return nil, bridge.Park("%s: due is missing", bridge.ReasonInvalid)
	}
	return bridge.Start{
		Options:  client.StartWorkflowOptions{ID: reminderID(event), TaskQueue: taskQueue},
		Workflow: workflowType, Args: []any{event.Stream, data.Due},
	}, nil
}

// paid ends the workflow of an invoice. Its data does not matter.
func paid(_ context.Context, event bridge.Event) (bridge.Action, error) {
	return bridge.Signal{WorkflowID: reminderID(event), Workflow: workflowType, Name: paidSignal}, nil
}

// reminderID returns the id of the workflow of an event's invoice.
func reminderID(event bridge.Event) string { return "reminder-" + event.Stream }

func register(w worker.Registry, logger *slog.Logger) {
	w.RegisterWorkflowWithOptions(remind, workflow.RegisterOptions{Name: workflowType})
	w.RegisterActivityWithOptions(func(ctx context.Context, invoice string) error {
		logger.InfoContext(ctx, "reminder: the invoice is due and not paid", "invoice", invoice)
		return nil
	}, activity.RegisterOptions{Name: sendActivity})
}

// remind waits until the invoice is paid, or due. It returns whether it sent a reminder.
// A second signal that the invoice is paid comes too late, and changes nothing.
func remind(ctx workflow.Context, invoice string, due time.Time) (sent bool, err error) {
	paid, _ := workflow.GetSignalChannel(ctx, paidSignal).ReceiveWithTimeout(ctx, due.Sub(workflow.Now(ctx)), nil)
	if paid {
		return false, nil
	}
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	return true, workflow.ExecuteActivity(ctx, sendActivity, invoice).Get(ctx, nil)
}
