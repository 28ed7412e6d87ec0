package process

import (
	"context"
	"time"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/time/rate"

	"example.com/catalog/video"
)

const (
	monitorTimeout = 500 * time.Millisecond
	monitorRate    = 10 // calls a second
)

// heartbeat is the details of a step's heartbeat.
type heartbeat struct {
	Percent int    `json:"percent"`
	Elapsed string `json:"elapsed"`
}

// Describer describes workflows. client.Client implements it.
type Describer interface {
	DescribeWorkflow(ctx context.Context, workflowID, runID string) (*client.WorkflowExecutionDescription, error)
}

// Monitor reads how far transcoding is from its last heartbeat. It is safe for concurrent
// use.
type Monitor struct {
	temporal Describer
	limit    *rate.Limiter
}

// NewMonitor returns a monitor of the videos whose workflows a client describes.
func NewMonitor(temporal Describer) *Monitor {
	return &Monitor{temporal: temporal, limit: rate.NewLimiter(monitorRate, monitorRate)}
}

// Transcoded returns how many percent of a video are transcoded, and reports whether that
// is known. It is not if no attempt is in progress, if Temporal does not respond within
// half a second, and beyond 10 calls a second.
func (m *Monitor) Transcoded(ctx context.Context, id string) (percent int, known bool) {
	if !m.limit.Allow() {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, monitorTimeout)
	defer cancel()
	described, err := m.temporal.DescribeWorkflow(ctx, video.Stream(id), "")
	if err != nil {
		return 0, false // the step itself is not affected
	}
	for _, step := range described.RawResponse.GetPendingActivities() {
		if step.GetActivityType().GetName() == transcodeActivity && step.GetState() == enums.PENDING_ACTIVITY_STATE_STARTED {
			return percentOf(step.GetHeartbeatDetails())
		}
	}
	return 0, false
}

// percentOf decodes the details of a heartbeat, of which there are none before the first.
func percentOf(details *common.Payloads) (percent int, known bool) {
	var last heartbeat
	if len(details.GetPayloads()) == 0 || converter.GetDefaultDataConverter().FromPayloads(details, &last) != nil {
		return 0, false
	}
	return last.Percent, true
}
