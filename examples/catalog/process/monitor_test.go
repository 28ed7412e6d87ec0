package process

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"example.com/catalog/video"
)

type described struct {
	pending []*workflow.PendingActivityInfo
	err     error
	calls   int
}

func (d *described) DescribeWorkflow(ctx context.Context, id, _ string) (*client.WorkflowExecutionDescription, error) {
	d.calls++
	if _, ok := ctx.Deadline(); !ok || id != video.Stream(videoID) {
		return nil, errors.New("called without a deadline, or for another workflow")
	}
	response := &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: d.pending}
	return &client.WorkflowExecutionDescription{RawResponse: response}, d.err
}

func pending(t *testing.T, name string, state enums.PendingActivityState, details any) *workflow.PendingActivityInfo {
	t.Helper()
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(details)
	require.NoError(t, err)
	return &workflow.PendingActivityInfo{
		ActivityType: &common.ActivityType{Name: name}, State: state, HeartbeatDetails: payloads,
	}
}

func TestTranscoded(t *testing.T) {
	const started, scheduled = enums.PENDING_ACTIVITY_STATE_STARTED, enums.PENDING_ACTIVITY_STATE_SCHEDULED
	at42 := heartbeat{Percent: 42, Elapsed: "3s"}
	for name, c := range map[string]struct {
		pending []*workflow.PendingActivityInfo
		err     error
		known   bool
	}{
		"in progress":             {pending: []*workflow.PendingActivityInfo{pending(t, transcodeActivity, started, at42)}, known: true},
		"between two attempts":    {pending: []*workflow.PendingActivityInfo{pending(t, transcodeActivity, scheduled, at42)}},
		"another step":            {pending: []*workflow.PendingActivityInfo{pending(t, transcribeActivity, started, at42)}},
		"another worker's format": {pending: []*workflow.PendingActivityInfo{pending(t, transcodeActivity, started, "42 %")}},
		"no heartbeat yet":        {pending: []*workflow.PendingActivityInfo{{ActivityType: &common.ActivityType{Name: transcodeActivity}, State: started}}},
		"no step":                 {},
		"Temporal is away":        {err: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			percent, known := NewMonitor(&described{pending: c.pending, err: c.err}).Transcoded(t.Context(), videoID)
			require.Equal(t, c.known, known)
			require.Equal(t, c.known, percent == at42.Percent)
		})
	}
}

func TestTranscoded_Rate(t *testing.T) {
	d := &described{}
	m := NewMonitor(d)
	for range 100 {
		_, known := m.Transcoded(t.Context(), videoID)
		require.False(t, known)
	}
	require.LessOrEqual(t, d.calls, 2*monitorRate)
}
