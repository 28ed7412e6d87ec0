package bridge_test

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
)

// queue is the task queue of the workflows that single routes start. Most of them have no
// worker: a start or a signal needs none.
const queue = "invoices"

// A bridge of one route: each issued invoice gets a workflow.
func Example() {
	servers := startServers()
	defer servers.stop()
	servers.append("invoice-issued", `{"customer":"c1"}`)
	ctx, cancel := context.WithCancel(context.Background())
	remind := func(_ workflow.Context, customer string) error {
		fmt.Println("an invoice for", customer)
		cancel() // a real bridge runs until the process is told to stop
		return nil
	}
	defer work(servers.temporal, "reminders", remind)()

	events, err := bridge.Connect(servers.url, bridge.ConnectOptions{AllowPlaintext: true})
	check(err)
	defer events.Close()
	issued := func(_ context.Context, event bridge.Event) (bridge.Action, error) {
		var invoice struct{ Customer string }
		if err := event.Decode(&invoice); err != nil {
			return nil, err // parks the event
		}
		return bridge.Start{
			Options:  client.StartWorkflowOptions{ID: "reminder-" + event.Stream, TaskQueue: "reminders"},
			Workflow: "Reminder", Args: []any{invoice.Customer},
		}, nil
	}
	b, err := bridge.New(bridge.Options{
		KurrentDB:    events,
		Router:       &bridge.Router{Temporal: servers.temporal, Routes: bridge.Routes{"invoice-issued": issued}},
		Subscription: bridge.Subscription{Stream: "$ce-invoice", Group: "reminders"},
	})
	check(err)
	check(b.Run(ctx))
	// Output: an invoice for c1
}

// A workflow for each issued invoice. The event that started it is a duplicate when it is
// delivered again, and another event for the same workflow is parked.
func ExampleStart() {
	routes := bridge.Routes{
		"invoice-issued": func(_ context.Context, event bridge.Event) (bridge.Action, error) {
			return bridge.Start{
				Options:  client.StartWorkflowOptions{ID: "reminder-" + event.Stream, TaskQueue: queue},
				Workflow: "Reminder",
			}, nil
		},
	}
	invoice := newInvoice()
	issued, again := invoice.event("invoice-issued"), invoice.event("invoice-issued")
	apply(routes, issued, issued, again)
	// Output:
	// invoice-issued started
	// invoice-issued duplicate
	// invoice-issued ALREADY_STARTED
}

// A signal to the workflow of an invoice. Without a workflow it cannot take effect yet: a
// Bridge keeps the event, because the one that starts the workflow may follow, and parks
// it after Signal.Wait and the time that another bridge may hold that one.
func ExampleSignal() {
	invoice := newInvoice()
	routes := bridge.Routes{
		"invoice-issued": invoice.start,
		"invoice-paid": func(_ context.Context, event bridge.Event) (bridge.Action, error) {
			return bridge.Signal{WorkflowID: "reminder-" + event.Stream, Workflow: "Reminder", Name: "paid"}, nil
		},
	}
	paid := invoice.event("invoice-paid")
	apply(routes, paid, invoice.event("invoice-issued"), paid)
	// Output:
	// invoice-paid not yet
	// invoice-issued started
	// invoice-paid signalled
}

// A signal to a workflow that is started if there is none: no order of the events is
// needed.
func ExampleSignalWithStart() {
	invoice := newInvoice()
	routes := bridge.Routes{
		"invoice-disputed": func(ctx context.Context, event bridge.Event) (bridge.Action, error) {
			return bridge.SignalWithStart{
				Signal: bridge.Signal{WorkflowID: "reminder-" + event.Stream, Workflow: "Reminder", Name: "disputed"},
				Start:  func(ctx context.Context) (bridge.Action, error) { return invoice.start(ctx, event) },
			}, nil
		},
	}
	apply(routes, invoice.event("invoice-disputed"), invoice.event("invoice-disputed"))
	// Output:
	// invoice-disputed signalled
	// invoice-disputed signalled
}

// An update that the workflow may reject: then its event is parked with the workflow's
// reason. A worker has to run. The update's id is the event's, so a run receives it once.
func ExampleUpdateWithStart() {
	invoice := newInvoice()
	routes := bridge.Routes{
		"invoice-extended": func(_ context.Context, event bridge.Event) (bridge.Action, error) {
			var extended struct{ Days int }
			if err := event.Decode(&extended); err != nil {
				return nil, err
			}
			return bridge.UpdateWithStart{
				WorkflowID: "reminder-" + event.Stream, Workflow: "Reminder", Name: "extend", Args: []any{extended.Days},
				Start: func(ctx context.Context) (bridge.Action, error) { return invoice.start(ctx, event) },
			}, nil
		},
	}
	temporal := dialTemporal()
	defer temporal.Close()
	defer work(temporal, queue, extendable)()
	week, year := invoice.event("invoice-extended"), invoice.event("invoice-extended")
	week.Data, year.Data = []byte(`{"days":7}`), []byte(`{"days":365}`)
	apply(routes, week, week, year)
	// Output:
	// invoice-extended updated
	// invoice-extended updated
	// invoice-extended REJECTED
}

// An event of a type that has a route and matters only sometimes. Types without a route
// are acknowledged without effect, as this one is.
func ExampleIgnore() {
	routes := bridge.Routes{
		"invoice-viewed": func(context.Context, bridge.Event) (bridge.Action, error) { return bridge.Ignore{}, nil },
	}
	invoice := newInvoice()
	apply(routes, invoice.event("invoice-viewed"), invoice.event("invoice-printed"))
	// Output:
	// invoice-viewed ignored
	// invoice-printed ignored
}

// A new group delivers the whole history of its stream. Done leaves out what is not to
// take effect again: here, every event from before the bridge was introduced.
func ExampleRouter() {
	introduced := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	temporal := dialTemporal()
	defer temporal.Close()
	invoice := newInvoice()
	router := &bridge.Router{
		Temporal: temporal,
		Routes:   bridge.Routes{"invoice-issued": invoice.start},
		Done: func(_ context.Context, event bridge.Event) (bool, error) {
			return event.Created.Before(introduced), nil
		},
	}
	issued := invoice.event("invoice-issued")
	issued.Created = introduced.AddDate(-1, 0, 0)
	fmt.Println(router.Apply(context.Background(), issued))
	issued.Created = introduced.AddDate(1, 0, 0)
	fmt.Println(router.Apply(context.Background(), issued))
	// Output:
	// duplicate <nil>
	// started <nil>
}
