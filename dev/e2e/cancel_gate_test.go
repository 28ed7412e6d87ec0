package e2e_test

import (
	"context"
	"strings"
	"sync"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
)

// gate stands between a lane's workers and the server. While it is shut, a worker asks for a task only when the test says
// so, and what it reports about the task waits until the test lets it pass. The server can do nothing in between, so an
// order stands still after each of its smallest steps.
type gate struct {
	asking  map[queueKind]chan struct{} // one token lets one worker ask for one task
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

// report is what a worker has to say about a task that it was given.
type report struct {
	pass chan struct{} // to be closed
	done chan struct{} // closed when the server has it
}

func newGate() *gate {
	g := &gate{asking: map[queueKind]chan struct{}{}, reports: make(chan report), opened: make(chan struct{})}
	for _, kind := range []queueKind{workflowTasks, orderSteps, mailSteps} {
		g.asking[kind] = make(chan struct{})
	}
	return g
}

// open lets everything pass from now on.
func (g *gate) open() { g.once.Do(func() { close(g.opened) }) }

func (g *gate) intercept(
	ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	call := func() error { return invoke(ctx, method, request, reply, conn, options...) }
	switch r := request.(type) {
	case *workflowservice.PollWorkflowTaskQueueRequest:
		err := g.ask(ctx, workflowTasks, call)
		if task, ok := reply.(*workflowservice.PollWorkflowTaskQueueResponse); ok && task.GetQuery() != nil {
			go g.askAgain() // somebody looks at the order, which is no step of it
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

func (g *gate) ask(ctx context.Context, kind queueKind, call func() error) error {
	select {
	case <-g.asking[kind]:
	case <-g.opened:
	case <-ctx.Done():
		return ctx.Err()
	}
	return call()
}

func (g *gate) askAgain() {
	select {
	case g.asking[workflowTasks] <- struct{}{}:
	case <-g.opened:
	}
}

func (g *gate) tell(ctx context.Context, call func() error) error {
	r := report{pass: make(chan struct{}), done: make(chan struct{})}
	defer close(r.done)
	select {
	case g.reports <- r:
		select {
		case <-r.pass:
		case <-g.opened:
		case <-ctx.Done():
		}
	case <-g.opened:
	case <-ctx.Done():
	}
	return call()
}
