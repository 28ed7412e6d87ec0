package workflows_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// priorities are the priorities that the server handed out tasks of activities with.
type priorities struct {
	mu   sync.Mutex
	seen map[string]temporal.Priority // by activity, with the kind of an email
}

// observe wraps an activity. Its local attempts fail, so that each becomes a task.
func observe[I, O any](p *priorities, name func(I) string, do func(context.Context, I) (O, error)) func(context.Context, I) (O, error) {
	return func(ctx context.Context, in I) (O, error) {
		info := activity.GetInfo(ctx)
		if info.IsLocalActivity {
			var none O
			return none, errors.New("connection refused")
		}
		p.mu.Lock()
		p.seen[name(in)] = info.Priority
		p.mu.Unlock()
		return do(ctx, in)
	}
}

func named[I any](name string) func(I) string { return func(I) string { return name } }

func sendNothing(context.Context, activities.SendEmailInput) (activities.EmailResult, error) {
	return activities.EmailResult{Status: email.StatusSent}, nil
}

// startObservedWorkers starts workers of both task queues, whose stores have emails that
// are due.
func (o *orderOnServer) startObservedWorkers() *priorities {
	o.t.Helper()
	p := &priorities{seen: map[string]temporal.Priority{}}
	start := func(ctx context.Context, in activities.StartFulfillmentInput) (activities.Fulfillment, error) {
		row, err := o.stores.StartFulfillment(ctx, in)
		row.EmailDue = email.KindConfirmation
		return row, err
	}
	end := func(ctx context.Context, in activities.CloseFulfillmentInput) (activities.Fulfillment, error) {
		row, err := o.stores.CloseFulfillment(ctx, in)
		row.EmailDue = email.KindCancellation
		return row, err
	}
	send := observe(p, func(in activities.SendEmailInput) string { return string(in.Kind) }, sendNothing)
	o.worker = worker.New(o.client, o.queue, untilStopped())
	workflows.Register(o.worker)
	for name, do := range map[string]any{
		"ReserveCredit":    observe(p, named[activities.ReserveCreditInput]("ReserveCredit"), o.stores.ReserveCredit),
		"ReleaseCredit":    observe(p, named[activities.ReleaseCreditInput]("ReleaseCredit"), o.stores.ReleaseCredit),
		"StartFulfillment": observe(p, named[activities.StartFulfillmentInput]("StartFulfillment"), start),
		"CloseFulfillment": observe(p, named[activities.CloseFulfillmentInput]("CloseFulfillment"), end),
	} {
		o.worker.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	emails := worker.New(o.client, workflows.EmailTaskQueue, worker.Options{DisableWorkflowWorker: true})
	emails.RegisterActivityWithOptions(send, activity.RegisterOptions{Name: "SendEmail"})
	require.NoError(o.t, emails.Start())
	o.t.Cleanup(emails.Stop)
	require.NoError(o.t, o.worker.Start())
	return p
}

func TestPriorities(t *testing.T) {
	t.Parallel()
	o := newOrderOnServer(t)
	p := o.startObservedWorkers()
	in := o.input()
	_, err := o.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: o.id, TaskQueue: o.queue, TypedSearchAttributes: in.SearchAttributes(), Priority: workflows.CustomerPriority(in.CustomerID),
	}, workflows.OrderFulfillmentType, in)
	require.NoError(t, err)
	o.awaitStatus(order.StatusFulfilling)
	o.signal(workflows.CancelOrderMessage, cancelOrder)
	_, err = o.result()
	require.NoError(t, err)

	customer := workflows.CustomerPriority(in.CustomerID).FairnessKey
	require.Len(t, customer, 64)
	require.NotContains(t, customer, in.CustomerID)
	want := map[string]temporal.Priority{}
	for name, key := range map[string]int{
		"CloseFulfillment": 1, "ReleaseCredit": 1, "StartFulfillment": 2, "ReserveCredit": 4, "cancellation": 2, "confirmation": 4,
	} {
		want[name] = temporal.Priority{PriorityKey: key, FairnessKey: customer}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	require.Equal(t, want, p.seen, "each has a key of its own, and the workflow's fairness key")
}
