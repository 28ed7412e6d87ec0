package e2e_test

import (
	"context"
	"strings"
	"sync"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// pollGate intercepts the calls from a steppedWorker to the server. While it is shut, a
// worker polls for a task only when the test permits it, and its report about the task
// waits until the test lets it pass. The server can do nothing in between, so an order
// stops after each of its smallest steps.
type pollGate struct {
	asking  map[queueKind]chan struct{} // each token permits one poll for one task
	reports chan report
	opened  chan struct{}
	once    sync.Once
}

type queueKind int

const (
	workflowTasks queueKind = iota
	orderSteps
	mailSteps
)

// report is a worker's result of a task, or a local attempt that has written.
type report struct {
	attempt string        // the activity of a local attempt, empty for a task
	pass    chan struct{} // closed to let the report pass
	drop    chan struct{} // closed to lose the report of a task
	done    chan struct{} // closed when the server has it
}

func newReport(attempt string) report {
	return report{attempt: attempt, pass: make(chan struct{}), drop: make(chan struct{}), done: make(chan struct{})}
}

func newPollGate() *pollGate {
	g := &pollGate{asking: map[queueKind]chan struct{}{}, reports: make(chan report), opened: make(chan struct{})}
	for _, kind := range []queueKind{workflowTasks, orderSteps, mailSteps} {
		g.asking[kind] = make(chan struct{})
	}
	return g
}

// open lets all calls pass from now on.
func (g *pollGate) open() { g.once.Do(func() { close(g.opened) }) }

func (g *pollGate) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	call := func() error { return invoke(ctx, method, request, reply, conn, options...) }
	switch r := request.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest:
		err := g.ask(ctx, workflowTasks, call)
		if task, ok := reply.(*workflowservice.PollWorkflowTaskQueueResponse); ok && task.GetQuery() != nil {
			go g.askAgain() // a query of a test is not a step of the order
		}
		return err
	case *workflowservice.PollActivityTaskQueueRequest:
		if strings.HasSuffix(r.GetTaskQueue().GetName(), mailSuffix) {
			return g.ask(ctx, mailSteps, call)
		}
		return g.ask(ctx, orderSteps, call)
	case *workflowservice.RespondWorkflowTaskCompletedRequest, *workflowservice.RespondWorkflowTaskFailedRequest,
		*workflowservice.RespondActivityTaskCompletedRequest, *workflowservice.RespondActivityTaskFailedRequest,
		*workflowservice.RespondActivityTaskCanceledRequest:
		return g.tell(ctx, call)
	default:
		return call()
	}
}

func (g *pollGate) ask(ctx context.Context, kind queueKind, call func() error) error {
	select {
	case <-g.asking[kind]:
	case <-g.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	return call()
}

func (g *pollGate) askAgain() {
	select {
	case g.asking[workflowTasks] <- struct{}{}:
	case <-g.opened:
	}
}

func (g *pollGate) tell(ctx context.Context, call func() error) error {
	r := newReport("")
	defer close(r.done)
	select {
	case g.reports <- r:
		select {
		case <-r.pass:
		case <-r.drop:
			return serviceerror.NewInvalidArgument("lost by the test") // an error that the SDK does not retry
		case <-g.opened:
		case <-ctx.Done():
		}
	case <-g.opened:
	case <-ctx.Done():
	}
	return call()
}

// holdAttempt holds up a local attempt that has written.
func (g *pollGate) holdAttempt(ctx context.Context, activity string) {
	r := newReport(activity)
	select {
	case g.reports <- r:
	case <-g.opened:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-r.pass:
	case <-g.opened:
	case <-ctx.Done():
	}
}
