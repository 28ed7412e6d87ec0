package collect

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	updatepb "go.temporal.io/api/update/v1"
	"go.temporal.io/sdk/converter"

	"orderflow/dev/checker/internal/facts"
)

// historyBuilder builds the events of a history.
type historyBuilder struct {
	t      *testing.T
	events []*historypb.HistoryEvent
}

func (s *historyBuilder) payloads(v any) *common.Payloads {
	p, err := converter.GetDefaultDataConverter().ToPayloads(v)
	require.NoError(s.t, err)
	return p
}

func (s *historyBuilder) add(kind enums.EventType, fill func(*historypb.HistoryEvent)) int64 {
	e := &historypb.HistoryEvent{EventId: int64(len(s.events) + 1), EventType: kind}
	if fill != nil {
		fill(e)
	}
	s.events = append(s.events, e)
	return e.EventId
}

func (s *historyBuilder) task(while ...func()) {
	s.add(enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, nil)
	s.add(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED, nil)
	s.add(enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, nil)
	for _, w := range while {
		w()
	}
}

func (s *historyBuilder) hold() int64 {
	return s.add(enums.EVENT_TYPE_TIMER_STARTED, func(e *historypb.HistoryEvent) {
		e.UserMetadata = &sdkpb.UserMetadata{Summary: s.payloads(holdTimer).GetPayloads()[0]}
	})
}

func (s *historyBuilder) fires(timer int64) {
	s.add(enums.EVENT_TYPE_TIMER_FIRED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_TimerFiredEventAttributes{
			TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{StartedEventId: timer},
		}
	})
}

func (s *historyBuilder) signal(name string, body map[string]string) {
	s.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{
			WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{SignalName: name, Input: s.payloads(body)},
		}
	})
}

func (s *historyBuilder) accept(name string, body map[string]string) {
	s.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionUpdateAcceptedEventAttributes{
			WorkflowExecutionUpdateAcceptedEventAttributes: &historypb.WorkflowExecutionUpdateAcceptedEventAttributes{
				AcceptedRequest: &updatepb.Request{Input: &updatepb.Input{Name: name, Args: s.payloads(body)}},
			},
		}
	})
}

func (s *historyBuilder) cancel() { s.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, nil) }

func TestTurn_Hold(t *testing.T) {
	t.Parallel()
	by := map[string]string{"by": "op-1"}
	for name, test := range map[string]struct {
		write func(s *historyBuilder, timer int64)
		want  *facts.Turn
	}{
		"an open hold has none": {func(s *historyBuilder, _ int64) { s.task() }, nil},
		"a timer alone": {func(s *historyBuilder, timer int64) {
			s.fires(timer)
			s.task()
			s.task()
		}, &facts.Turn{Timer: true}},
		"another timer is none of the hold's": {func(s *historyBuilder, timer int64) {
			s.fires(timer + 100)
			s.task()
			s.task()
		}, nil},
		"messages and a timer that one task sees, in any order": {func(s *historyBuilder, timer int64) {
			s.signal(facts.MessageApprove, by)
			s.fires(timer)
			s.signal(facts.MessageDecline, by)
			s.cancel()
			s.task()
			s.task()
		}, &facts.Turn{Timer: true, Messages: []string{facts.MessageApprove, facts.MessageDecline, facts.MessageCancel}}},
		"what came while the task ran is not in it": {func(s *historyBuilder, timer int64) {
			s.fires(timer)
			s.task(func() { s.signal(facts.MessageApprove, by) })
			s.task()
		}, &facts.Turn{Timer: true}},
		"what came while a task ran that ended nothing is in the next": {func(s *historyBuilder, timer int64) {
			s.task(func() { s.signal(facts.MessageApprove, by) })
			s.fires(timer)
			s.task()
			s.task()
		}, &facts.Turn{Timer: true, Messages: []string{facts.MessageApprove}}},
		"an update that the task accepted": {func(s *historyBuilder, timer int64) {
			s.fires(timer)
			s.task(func() { s.accept(facts.MessageApprove, by) })
			s.task()
		}, &facts.Turn{Timer: true, Messages: []string{facts.MessageApprove}}},
		"a task that failed decided nothing": {func(s *historyBuilder, timer int64) {
			s.fires(timer)
			s.add(enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, nil)
			s.add(enums.EVENT_TYPE_WORKFLOW_TASK_STARTED, nil)
			s.add(enums.EVENT_TYPE_WORKFLOW_TASK_FAILED, nil)
			s.signal(facts.MessageApprove, by)
			s.task()
			s.task()
		}, &facts.Turn{Timer: true, Messages: []string{facts.MessageApprove}}},
		"messages that cannot be read, or end no hold": {func(s *historyBuilder, timer int64) {
			s.signal(facts.MessageApprove, nil)
			s.signal(facts.MessageShip, map[string]string{"carrier": "DHL"})
			s.fires(timer)
			s.task()
			s.task()
		}, &facts.Turn{Timer: true}},
		"a run that ends at once": {func(s *historyBuilder, timer int64) {
			s.cancel()
			s.fires(timer)
			s.task(func() { s.add(enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED, nil) })
		}, &facts.Turn{Timer: true, Messages: []string{facts.MessageCancel}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &historyBuilder{t: t}
			s.signal(facts.MessageApprove, by) // before the hold, where there is nothing to approve
			var timer int64
			s.task(func() { timer = s.hold() })
			test.write(s, timer)
			h := &history{}
			for _, e := range s.events {
				require.NoError(t, h.take(e, NewPIIMarkers()))
			}
			if test.want != nil && test.want.Messages == nil {
				test.want.Messages = []string{}
			}
			if h.run.HoldEnd != nil && h.run.HoldEnd.Messages == nil {
				h.run.HoldEnd.Messages = []string{}
			}
			require.Equal(t, test.want, h.run.HoldEnd)
		})
	}
}

func TestTurn_RecordedHistory(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ hold, shipping []string }{
		"shipped":              {nil, []string{facts.MessageShip}},
		"cancelled-natively":   {nil, []string{facts.MessageCancel}},
		"ways-a-shipped-order": {nil, []string{facts.MessageShip}},
		"declined":             {[]string{facts.MessageDecline}, nil},
		"hold-expired":         {[]string{}, nil},
		"on-hold":              {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &history{}
			for _, e := range recorded(t, name) {
				require.NoError(t, h.take(e, NewPIIMarkers()))
			}
			for want, got := range map[*[]string]*facts.Turn{&test.hold: h.run.HoldEnd, &test.shipping: h.run.Shipping} {
				require.Equal(t, *want == nil, got == nil)
				if got != nil {
					require.ElementsMatch(t, *want, got.Messages)
				}
			}
		})
	}
}
