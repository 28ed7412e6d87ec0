package payloadcodec_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/encoding/protojson"

	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/payloadcodec"
)

var servers devservertest.Servers

func TestMain(m *testing.M) {
	servers.Run(func() (int, error) {
		if _, err := servers.StartTemporal(); err != nil {
			return 1, err
		}
		return m.Run(), nil
	})
}

// longEnough is above the backoff of a failed workflow task, on a busy machine.
const longEnough = time.Minute

// canary is text that must not be stored as it is.
const canary = "canary-of-a-customer"

// party is a client with a key file of its own.
type party struct {
	client.Client
	keys     string
	failures converter.FailureConverter
}

func join(t *testing.T, lines ...string) party {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	writeKeys(t, path, lines...)
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	data := payloadcodec.Converter(payloadcodec.New(keys))
	failures := payloadcodec.FailureConverter(data)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: servers.Temporal(t), Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
		DataConverter: data, FailureConverter: failures,
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return party{c, path, failures}
}

// greet waits for a signal, calls an activity with it and its input, and fails if the
// activity does.
func greet(ctx workflow.Context, who string) (string, error) {
	var word, greeting string
	workflow.GetSignalChannel(ctx, "word").Receive(ctx, &word)
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: longEnough, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1}, Summary: "greet " + who,
	})
	err := workflow.ExecuteActivity(ctx, "join", word, who).Get(ctx, &greeting)
	return greeting, err
}

func joinWords(_ context.Context, word, who string) (string, error) {
	if word == "fail" {
		return "", errors.New("no greeting for " + who)
	}
	return word + " " + who, nil
}

func (p party) work(t *testing.T, queue string) {
	t.Helper()
	w := worker.New(p.Client, queue, worker.Options{})
	w.RegisterWorkflowWithOptions(greet, workflow.RegisterOptions{Name: "greet"})
	w.RegisterActivityWithOptions(joinWords, activity.RegisterOptions{Name: "join"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

func (p party) start(t *testing.T, queue string) client.WorkflowRun {
	t.Helper()
	run, err := p.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue, Memo: map[string]any{"who": canary}}, "greet", canary)
	require.NoError(t, err)
	return run
}

// history returns everything that the server stores of a workflow, as text.
func (p party) history(t *testing.T, id string) string {
	t.Helper()
	var text strings.Builder
	events := p.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		text.WriteString(protojson.Format(event))
	}
	return text.String()
}

// taskFailures returns why workflow tasks of a workflow have failed.
func (p party) taskFailures(t *testing.T, id string) (found string) {
	t.Helper()
	events := p.GetWorkflowHistory(t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(t, err)
		if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil {
			found += p.failures.FailureToError(failed.GetFailure()).Error()
		}
	}
	return found
}

func TestConverter_StoresNothingPlain(t *testing.T) {
	t.Parallel()
	p, queue := join(t, line("a", "x")), uuid.NewString()
	p.work(t, queue)
	run := p.start(t, queue)
	require.NoError(t, p.SignalWorkflow(t.Context(), queue, "", "word", canary))
	var greeting string
	require.NoError(t, run.Get(t.Context(), &greeting))
	require.Equal(t, canary+" "+canary, greeting)
	require.NotContains(t, p.history(t, queue), canary)

	failing := uuid.NewString()
	p.work(t, failing)
	run = p.start(t, failing)
	require.NoError(t, p.SignalWorkflow(t.Context(), failing, "", "word", "fail"))
	require.ErrorContains(t, run.Get(t.Context(), nil), "no greeting for "+canary)
	stored := p.history(t, failing)
	require.Contains(t, stored, "Encoded failure")
	require.NotContains(t, stored, canary)
	require.NotContains(t, stored, "no greeting")
}

// A worker without the key decides nothing: the workflow waits, with the id of the key in
// its history, and proceeds once the key is there.
func TestConverter_MissingKey(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		starter, sender []string // keys
	}{
		"of the input":  {[]string{line("lacking", "x")}, []string{line("known", "y")}},
		"of the signal": {[]string{line("known", "y")}, []string{line("lacking", "x")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue := uuid.NewString()
			theWorker := join(t, line("known", "y"))
			theWorker.work(t, queue)
			run := join(t, tc.starter...).start(t, queue)
			require.NoError(t, join(t, tc.sender...).SignalWorkflow(t.Context(), queue, "", "word", "hello"))
			require.Eventually(t, func() bool {
				return strings.Contains(theWorker.taskFailures(t, queue), `payload was encrypted with key "lacking", which PAYLOAD_KEYS_FILE lacks`)
			}, longEnough, 50*time.Millisecond)

			writeKeys(t, theWorker.keys, line("known", "y"), line("lacking", "x"))
			var greeting string
			require.NoError(t, theWorker.GetWorkflow(t.Context(), queue, run.GetRunID()).Get(t.Context(), &greeting))
			require.Equal(t, "hello "+canary, greeting)
		})
	}
}
