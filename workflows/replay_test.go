package workflows_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/worker"

	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// newReplayer returns a replayer of every workflow.
func newReplayer(t *testing.T, interceptors ...interceptor.WorkerInterceptor) worker.WorkflowReplayer {
	t.Helper()
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{
		DisableRegistrationAliasing: true, Interceptors: interceptors,
	})
	require.NoError(t, err)
	workflows.Register(replayer)
	return replayer
}

// tracingOn returns the interceptor of a worker that traces.
func tracingOn() interceptor.WorkerInterceptor {
	return temporalclient.Tracing(sdktrace.NewTracerProvider())[0].(interceptor.WorkerInterceptor)
}

// The histories were recorded from a real server, among them orders that still wait on
// hold and for their shipment. They are never recorded again: code that cannot replay
// them would break the orders that are waiting right now.
func TestReplay_RecordedHistories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names[name] = true
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, newReplayer(t).ReplayWorkflowHistoryFromJSONFile(nil, file))
			require.NoError(t, newReplayer(t, tracingOn()).ReplayWorkflowHistoryFromJSONFile(nil, file), "with tracing")
		})
	}
	for _, must := range []string{
		"on-hold", "waiting-for-shipment", "shipped", "cancelled", "rejected", "order-gone", "order-mismatch", "hold-expired",
		"cancelled-after-rounds", "shipped-before-its-confirmation", "email", "settlement", "reconciliation",
		// A carrier that an earlier rule rejected: the order's state when the signal
		// arrived, and the messages sent with it.
		"unusable-carrier-waiting-for-shipment", "unusable-carrier-twice", "unusable-carrier-then-shipped", "unusable-carrier-on-hold",
		"unusable-carrier-beside-another-carrier", "unusable-carrier-beside-a-cancellation",
		// Orders with rules: by local attempts, by regular activities after them, and by
		// local attempts that were repeated because their workflow task was lost.
		"rules-1-shipped", "rules-1-rejected", "rules-1-on-hold", "rules-1-hold-expired", "rules-1-approved-waiting-for-shipment",
		"rules-1-cancelled-after-rounds", "rules-1-order-gone", "rules-1-continued-on-hold-second-run", "rules-1-refreshed-twice-and-shipped",
		"rules-1-a-cancelled-order-attempts-that-succeed", "rules-1-a-cancelled-order-attempts-that-fail", "rules-1-reset-to-its-rules",
		"rules-1-lost-task-an-order-that-was-begun-is-cancelled",
		// An order that was declined after a review had reserved its credit: in the account at
		// first, and since then once its row is closed.
		"rules-1-hold-end-a-refusal-beats-a-review", "rules-1-hold-end-a-refusal-after-a-review-counts",
		// Orders that ship in several parcels, and a run that learns of one too late.
		"rules-1-parcels-waiting-for-the-rest", "rules-1-parcels-shipped", "rules-1-parcels-continued", "rules-1-parcels-cancelled-too-late",
		"rules-1-parcels-unknown-to-the-run",
		"rules-1-late-and-waiting-for-shipment", "rules-1-late-and-shipped", "rules-1-in-time-and-continued",
	} {
		require.True(t, names[must], "no history of %q", must)
	}
}

// These histories are composed from recorded events, for cases that no recorded order
// shows. They replay with the code that recorded the events.
func TestReplay_ComposedHistories(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/composed/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		require.NoError(t, newReplayer(t).ReplayWorkflowHistoryFromJSONFile(nil, file), file)
	}
}

func TestHistories_NoPersonalData(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/histories/*.json")
	require.NoError(t, err)
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NotContains(t, string(content), "anary", file)
	}
}
