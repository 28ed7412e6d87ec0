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

// traveller is an order in a lane that goes on step by step. A step is the smallest thing the server can do: a task is
// handed to a worker, or what became of it is written down. Between two steps lies every place in which anything from
// outside can meet the order.
type traveller struct {
	*lane
	id, customer string

	held     map[queueKind]report // handed out and done, and not yet written down
	steps    []string
	children []string // workflows of mails that the order did not wait for
}

// way is what happens to an order when nothing comes between.
type way struct {
	name     string
	basket   basket
	mailLate bool               // mails are sent when nothing else is left to do
	acts     []func(*traveller) // what somebody does each time the order rests
	names    []string
}

// walk takes n steps of the way, or all when n is negative, and reports how many it took.
func (o *traveller) walk(w way, n int) int {
	o.t.Helper()
	acts := 0
	for n < 0 || len(o.steps) < n {
		name := o.step(w.mailLate && acts < len(w.acts))
		switch {
		case name != "":
		case acts < len(w.acts):
			w.acts[acts](o)
			name = w.names[acts]
			acts++
		default:
			return len(o.steps)
		}
		o.steps = append(o.steps, name)
	}
	return len(o.steps)
}

// step takes the next step and names it, or gives nothing when the order rests. A workflow task comes before an order's
// step, and that before its mail.
func (o *traveller) step(withoutMail bool) string {
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

// pending is what is to be done for the order, and for mails that were handed over to workflows of their own.
func (o *traveller) pending() []*workflowservice.DescribeWorkflowExecutionResponse {
	o.t.Helper()
	var order *workflowservice.DescribeWorkflowExecutionResponse
	require.EventuallyWithT(o.t, func(c *assert.CollectT) { // a child is started by the server itself, which nothing can hold up
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

// advance hands a task out and waits until the worker is done with it, or lets the outcome of one pass.
func (o *traveller) advance(kind queueKind, name string, waiting bool) string {
	o.t.Helper()
	if done, held := o.held[kind]; held {
		delete(o.held, kind)
		close(done.pass)
		<-done.done
		return name + " reported"
	}
	timeout := time.After(patience)
	if waiting {
		select {
		case o.gate.asking[kind] <- struct{}{}:
		case <-timeout:
			require.FailNow(o.t, "no worker asks for "+name)
		}
	}
	select {
	case o.held[kind] = <-o.gate.reports:
	case <-timeout:
		require.FailNow(o.t, name+" does not end", "%v", o.steps)
	}
	return name + " done"
}

func (o *traveller) describe(id string) *workflowservice.DescribeWorkflowExecutionResponse {
	o.t.Helper()
	description, err := o.temporal.DescribeWorkflow(o.t.Context(), id, "")
	require.NoError(o.t, err)
	return description.RawResponse
}

// end lets the order, and mails that it did not wait for, come to their end, and gives the order's.
func (o *traveller) end() enums.WorkflowExecutionStatus {
	o.t.Helper()
	o.gate.open()
	status := o.closed(o.id)
	o.mailsClosed(o.id)
	return status
}

// mailsClosed waits for the end of mails that an order handed over to workflows of their own.
func (s *shop) mailsClosed(id string) {
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

// did reports whether somebody did this on the way.
func (o *traveller) did(name string) bool { return slices.Contains(o.steps, name) }

// after gives the first place after a step, or otherwise when there is none to look for.
func (o *traveller) after(step string, otherwise int) int {
	if step == "" {
		return otherwise
	}
	require.Contains(o.t, o.steps, step)
	return slices.Index(o.steps, step) + 1
}

// name tells a place from every other of the way.
func (o *traveller) name(place int) string {
	if place == 0 {
		return "00 before anything"
	}
	return fmt.Sprintf("%02d after %s", place, o.steps[place-1])
}
