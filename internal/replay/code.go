package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// replayTimeout bounds the replay of one history if the options do not. The largest takes
// seconds; a workflow that loops without blocking would never end.
const replayTimeout = time.Minute

// code is the workflow code of this build.
type code struct {
	replayer worker.WorkflowReplayer
	types    map[string]bool // the registered workflow types
	timeout  time.Duration   // of one replay
	logger   log.Logger
}

func newCode(o Options) (*code, error) {
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DataConverter: o.TemporalOptions.DataConverter, FailureConverter: o.TemporalOptions.FailureConverter,
		ContextPropagators: o.TemporalOptions.ContextPropagators, DisableRegistrationAliasing: true,
		// It would take a workflow that waits a second for a processor for a deadlock.
		DisableDeadlockDetection: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make a replayer: %w", err)
	}
	c := &code{
		replayer: replayer, types: map[string]bool{}, timeout: cmp.Or(o.ReplayTimeout, replayTimeout),
		logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	}
	o.Register(registry{WorkflowRegistry: replayer, types: c.types})
	return c, nil
}

// registry notes the types that are registered under a name.
type registry struct {
	worker.WorkflowRegistry
	types map[string]bool
}

// RegisterWorkflowWithOptions registers a workflow and notes its type.
func (r registry) RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions) {
	r.types[options.Name] = true
	r.WorkflowRegistry.RegisterWorkflowWithOptions(w, options)
}

// errTooLong means that a replay did not end in time. On a slow machine that may happen to
// code that can continue the workflow.
var errTooLong = errors.New("its replay takes too long")

// replay replays a history. It returns an error if the code does not do what the history
// recorded, errTooLong if that is not known in time, and the cause of ctx if it ends first.
// In the last two cases the replay goes on in the background.
func (c *code) replay(ctx context.Context, e execution, h *history.History) error {
	done := make(chan error, 1)
	go func() { // the replayer takes no context
		done <- c.replayer.ReplayWorkflowHistoryWithOptions(c.logger, h, worker.ReplayWorkflowHistoryOptions{
			OriginalExecution: workflow.Execution{ID: e.WorkflowID, RunID: e.RunID},
		})
	}()
	timer := time.NewTimer(c.timeout)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errTooLong
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// nondeterminism is the code in the SDK's messages about a replay that differs from its
// history.
const nondeterminism = "[TMPRL1100]"

func kindOf(err error) result {
	if strings.Contains(err.Error(), nondeterminism) {
		return differs
	}
	return failed
}

// maxDetail bounds a problem's text, in bytes.
const maxDetail = 300

// message finds the text of a failure in the SDK's error, which has the failure's stack
// trace too.
var message = regexp.MustCompile(`message:\s*("(?:[^"\\]|\\.)*")`)

// describe returns the first line of what went wrong.
func describe(err error) string {
	text := err.Error()
	if found := message.FindStringSubmatch(text); found != nil {
		if unquoted, err := strconv.Unquote(found[1]); err == nil {
			text = unquoted
		}
	}
	text, _, _ = strings.Cut(strings.TrimSpace(strings.TrimPrefix(text, nondeterminism)), "\n")
	if len(text) > maxDetail {
		text = strings.ToValidUTF8(text[:maxDetail], "")
	}
	return text
}
