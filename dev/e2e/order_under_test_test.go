package e2e_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/email"
	"orderflow/workflows"
)

// orderUnderTest is an order on a steppedWorker that advances step by step. A step is the
// smallest thing the server can do: a task is handed to a worker, or its result is
// recorded. A local attempt that has written is a step of its own. An external message can
// be sent only between two steps.
type orderUnderTest struct {
	*steppedWorker
	id, customer string

	held     map[queueKind]report // tasks that are done and not yet reported
	steps    []string
	children []string // email workflows that the order did not wait for
}

// scenario is the course of an order without a cancellation.
type scenario struct {
	name     string
	spec     orderSpec
	mailLate bool                    // emails are sent only when nothing else is left to do
	actions  []func(*orderUnderTest) // performed one by one, each time the order waits
	names    []string
}

// runSteps runs n steps of the scenario, or all if n is negative, and returns how many it
// ran.
func (o *orderUnderTest) runSteps(w scenario, n int) int {
	o.t.Helper()
	return o.runUntil(w, func() bool { return n >= 0 && len(o.steps) >= n })
}

// runUntil runs the scenario until a condition is met or nothing is left to do, and
// returns the number of steps.
func (o *orderUnderTest) runUntil(w scenario, met func() bool) int {
	o.t.Helper()
	for acts := 0; !met(); {
		name := o.step(w.mailLate && acts < len(w.actions))
		switch {
		case name != "":
		case acts < len(w.actions):
			w.actions[acts](o)
			name = w.names[acts]
			acts++
		default:
			return len(o.steps)
		}
		o.steps = append(o.steps, name)
	}
	return len(o.steps)
}

// step runs the next step and returns its name, or "" if the order waits. Workflow tasks
// come before order steps, and order steps before emails.
func (o *orderUnderTest) step(withoutMail bool) string {
	o.t.Helper()
	pending := o.pending()
	for _, p := range pending {
		if task := p.GetPendingWorkflowTask(); task != nil {
			return o.advance(workflowTasks, "workflow task", task.GetState() == enums.PENDING_WORKFLOW_TASK_STATE_SCHEDULED)
		}
	}
	kinds := []queueKind{orderSteps, mailSteps}
	if withoutMail {
		kinds = kinds[:1]
	}
	for _, kind := range kinds {
		for _, p := range pending {
			for _, activity := range p.GetPendingActivities() {
				name := activity.GetActivityType().GetName()
				if (name == "SendEmail") == (kind == mailSteps) {
					return o.advance(kind, name, activity.GetState() == enums.PENDING_ACTIVITY_STATE_SCHEDULED)
				}
			}
		}
	}
	return ""
}

// pending returns what is to be done for the order, and for emails that were handed to
// workflows of their own.
func (o *orderUnderTest) pending() []*workflowservice.DescribeWorkflowExecutionResponse {
	o.t.Helper()
	var order *workflowservice.DescribeWorkflowExecutionResponse
	require.EventuallyWithT(o.t, func(c *assert.CollectT) { // the server itself starts a child, which no gate can hold up
		description, err := o.temporal.DescribeWorkflow(o.t.Context(), o.id, "")
		require.NoError(c, err)
		order = description.RawResponse
		for _, child := range order.GetPendingChildren() {
			require.NotEmpty(c, child.GetRunId())
		}
	}, patience, time.Millisecond)
	for _, child := range order.GetPendingChildren() {
		if !slices.Contains(o.children, child.GetWorkflowId()) {
			o.children = append(o.children, child.GetWorkflowId())
		}
	}
	all := []*workflowservice.DescribeWorkflowExecutionResponse{order}
	for _, id := range o.children {
		all = append(all, o.describe(id))
	}
	return all
}

// advance hands out a task and waits until the worker is done with it or with a local
// attempt in it, or lets a held result pass.
func (o *orderUnderTest) advance(kind queueKind, name string, waiting bool) string {
	o.t.Helper()
	if done, held := o.held[kind]; held {
		delete(o.held, kind)
		close(done.pass)
		if done.attempt == "" {
			<-done.done
			return name + " reported"
		}
	}
	timeout := time.After(patience)
	if waiting {
		select {
		case o.gate.asking[kind] <- struct{}{}:
		case <-timeout:
			require.FailNow(o.t, "no worker polls for "+name)
		}
	}
	select {
	case done := <-o.gate.reports:
		o.held[kind] = done
		if done.attempt != "" {
			return done.attempt + " done locally"
		}
	case <-timeout:
		require.FailNow(o.t, name+" does not end", "%v", o.steps)
	}
	return name + " done"
}

func (o *orderUnderTest) describe(id string) *workflowservice.DescribeWorkflowExecutionResponse {
	o.t.Helper()
	description, err := o.temporal.DescribeWorkflow(o.t.Context(), id, "")
	require.NoError(o.t, err)
	return description.RawResponse
}

// end lets the order, and emails that it did not wait for, complete, and returns the
// order's final status. What local attempts still have to write comes last.
func (o *orderUnderTest) end() enums.WorkflowExecutionStatus {
	o.t.Helper()
	o.gate.open()
	status := o.closed(o.id)
	o.mailsClosed(o.id)
	o.late.writeAll()
	return status
}

// mailsClosed waits for the completion of emails that an order handed to workflows of
// their own.
func (s *stackClient) mailsClosed(id string) {
	s.t.Helper()
	for _, kind := range email.Kinds() {
		mail := workflows.EmailID(id, kind)
		_, err := s.temporal.DescribeWorkflow(s.t.Context(), mail, "")
		if err == nil {
			require.Equal(s.t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, s.closed(mail))
			continue
		}
		var none *serviceerror.NotFound
		require.ErrorAs(s.t, err, &none)
	}
}

// did reports whether this action was performed.
func (o *orderUnderTest) did(name string) bool { return slices.Contains(o.steps, name) }

// after returns the first place after a step, or otherwise if step is empty.
func (o *orderUnderTest) after(step string, otherwise int) int {
	if step == "" {
		return otherwise
	}
	require.Contains(o.t, o.steps, step)
	return slices.Index(o.steps, step) + 1
}

// name returns a name of the place that is unique within the scenario.
func (o *orderUnderTest) name(place int) string {
	if place == 0 {
		return "00 before anything"
	}
	return fmt.Sprintf("%02d after %s", place, o.steps[place-1])
}
