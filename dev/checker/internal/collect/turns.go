package collect

import (
	"encoding/json"
	"slices"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// holdTimer is the summary of the timer that ends a hold.
const holdTimer = "credit hold"

// wait is a run's wait for messages, followed through its history: what had arrived when
// the workflow task began that ended it. A task knows the events before its start and the
// updates that it accepts, whose events follow its end. What arrives while it runs also
// follows its end, and belongs to the next task.
type wait struct {
	end   **facts.Turn // where the result is stored; nil while the run does not wait
	ends  []string     // the messages that end the wait
	timer int64        // the event that started its timer; 0 means none

	come  facts.Turn // arrived since the wait began
	begun facts.Turn // had arrived when the last workflow task began
	known facts.Turn // known to that task, which is completed
	done  bool       // the task is completed and the messages it accepted are being read
}

// turn reads one event of an order's workflow.
func (h *history) turn(e *historypb.HistoryEvent) {
	w := &h.wait
	switch e.GetEventType() {
	case enums.EVENT_TYPE_TIMER_STARTED:
		var summary string
		if decode(e.GetUserMetadata().GetSummary(), &summary); summary == holdTimer {
			ends := []string{facts.MessageCancel, facts.MessageDecline, facts.MessageApprove}
			h.wait = wait{end: &h.run.HoldEnd, ends: ends, timer: e.GetEventId(), done: true}
		}
	case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		if h.run.OrderStatus == string(order.StatusFulfilling) && h.run.Shipping == nil {
			h.wait = wait{end: &h.run.Shipping, ends: []string{facts.MessageShip, facts.MessageCancel}, done: true}
		}
	case enums.EVENT_TYPE_TIMER_FIRED:
		w.come.Timer = w.come.Timer || w.timer > 0 && e.GetTimerFiredEventAttributes().GetStartedEventId() == w.timer
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
		a := e.GetWorkflowExecutionSignaledEventAttributes()
		w.add(&w.come, a.GetSignalName(), a.GetInput())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED:
		w.come.Messages = append(w.come.Messages, facts.MessageCancel)
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
		if request := e.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest(); w.done {
			w.add(&w.known, request.GetInput().GetName(), request.GetInput().GetArgs())
		}
	case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
		w.begun = facts.Turn{Timer: w.come.Timer, Messages: slices.Clone(w.come.Messages)}
	case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
		w.known, w.done = w.begun, true
	case enums.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED:
		w.over()
	}
}

// add adds a message if it can be decoded and can end the wait.
func (w *wait) add(to *facts.Turn, name string, payloads *common.Payloads) {
	var body json.RawMessage
	decode(first(payloads), &body)
	var m struct{ By, Reason, Carrier string }
	if json.Unmarshal(body, &m) == nil && m.By+m.Reason+m.Carrier != "" && slices.Contains(w.ends, name) {
		to.Messages = append(to.Messages, name)
	}
}

// over records what the last completed task knew, if that ended the wait.
func (w *wait) over() {
	if w.end != nil && (w.known.Timer || len(w.known.Messages) > 0) {
		turn := w.known
		*w.end, w.end = &turn, nil
	}
	w.done = false
}
