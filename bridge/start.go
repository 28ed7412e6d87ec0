package bridge

import (
	"cmp"
	"context"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
)

// MemoEventID is the memo field with the id of the event that a workflow was started for.
// A Start may set it to the id of another event than the one it is applied for.
const MemoEventID = "sourceEventId"

// StartDelay delays the first task of a workflow that is started for a message. The
// message follows within it, so the workflow has it when it begins.
const StartDelay = 2 * time.Second

func (s Start) apply(ctx context.Context, a *attempt) (Result, error) {
	if err := s.check(a.event); err != nil {
		return "", err
	}
	s.hitBefore()
	_, err := a.temporal.ExecuteWorkflow(ctx, s.options(a.event), s.Workflow, s.Args...)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return s.checkDuplicate(ctx, a)
	case err != nil:
		return "", err
	}
	s.hitAfter()
	return Started, nil
}

// check returns a ParkError for options that cannot be honored.
func (s Start) check(event Event) error {
	o := s.Options
	for problem, found := range map[string]bool{
		"has no workflow id":                            o.ID == "",
		"has a workflow id that is not printable ASCII": !isPrintable(o.ID),
		"has no task queue":                             o.TaskQueue == "",
		"has no workflow type":                          s.Workflow == "",
		"sets a policy for reuse of the workflow id":    o.WorkflowIDReusePolicy != enums.WORKFLOW_ID_REUSE_POLICY_UNSPECIFIED,
		"sets a policy for conflicts":                   o.WorkflowIDConflictPolicy != enums.WORKFLOW_ID_CONFLICT_POLICY_UNSPECIFIED,
		"sets the memo " + MemoEventID + " to something else than an event's id": !isEventID(o.Memo[MemoEventID]),
	} {
		if found {
			return Park("%s: the start for %.64s %s", ReasonRoute, event.Type, problem)
		}
	}
	return nil
}

// isPrintable reports whether a workflow id can be sent in a header, as Temporal's client
// does.
func isPrintable(id string) bool {
	return !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r > '~' })
}

// isEventID reports whether a value of the memo is the id of an event, or is not set.
func isEventID(value any) bool {
	id, ok := value.(string)
	return value == nil || ok && uuid.Validate(id) == nil
}

// options returns start options that allow the id only one workflow, ever. A second start
// fails with an error that identifies it as such.
func (s Start) options(event Event) client.StartWorkflowOptions {
	options := s.Options
	options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	options.Memo = maps.Clone(options.Memo)
	if options.Memo == nil {
		options.Memo = map[string]any{}
	}
	if _, set := options.Memo[MemoEventID]; !set {
		options.Memo[MemoEventID] = event.ID.String()
	}
	return options
}

// checkDuplicate distinguishes the redelivery of an event, which is a duplicate, from
// another event for the same workflow.
func (s Start) checkDuplicate(ctx context.Context, a *attempt) (Result, error) {
	run, err := a.findExecution(ctx, s.Options.ID, s.Workflow)
	switch {
	case err != nil:
		return "", err
	case run.runID == "":
		return "", ErrRunChanged // it was deleted since the start was refused
	case s.PerEvent:
		return Duplicate, nil
	}
	startedBy, err := a.startedBy(ctx, s, run)
	switch {
	case err != nil:
		return "", err
	case startedBy == a.event.ID.String():
		return Duplicate, nil
	case s.Conflict != nil:
		if err := s.Conflict(startedBy); err != nil {
			return "", afterReply(err)
		}
		return Duplicate, nil
	}
	return "", ParkAfterReply("%s: workflow %s was started for event %s", ReasonAlreadyStarted, s.Options.ID, cmp.Or(startedBy, "unknown"))
}

func (s Start) hitBefore() {
	if s.PerEvent {
		failpoint.Hit("starter.start-per-event.before")
		return
	}
	failpoint.Hit("starter.start.before")
}

func (s Start) hitAfter() {
	if s.PerEvent {
		failpoint.Hit("starter.start-per-event.after")
		return
	}
	failpoint.Hit("starter.start.after")
}
