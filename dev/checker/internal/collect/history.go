package collect

import (
	"fmt"

	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/failure/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// history is a run, as far as its events have been read.
type history struct {
	workflowType string
	run          facts.Run
	wait         wait
	leaks        []string // the events that contain personal data
}

// input is the checked part of the input of an order's workflow.
type input struct {
	CustomerID string       `json:"customerId"`
	Total      order.Money  `json:"total"`
	Source     order.Source `json:"source"`
}

// take reads one event. Texts and payloads are unencoded in the wire format, so it is
// searched for personal data.
func (h *history) take(e *historypb.HistoryEvent, markers *PIIMarkers) error {
	wire, err := proto.Marshal(e)
	if err != nil {
		return fmt.Errorf("event %d: %w", e.GetEventId(), err)
	}
	if markers.Find(wire) {
		h.leaks = append(h.leaks, fmt.Sprintf("event %d %s", e.GetEventId(), e.GetEventType()))
	}
	switch e.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
		h.run.Began = e.GetEventTime().AsTime()
		h.started(e.GetWorkflowExecutionStartedEventAttributes())
	case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
		h.status(e.GetUpsertWorkflowSearchAttributesEventAttributes().GetSearchAttributes())
	default:
		h.closed(e)
	}
	h.turn(e)
	return nil
}

func (h *history) started(a *historypb.WorkflowExecutionStartedEventAttributes) {
	h.workflowType = a.GetWorkflowType().GetName()
	h.run.Chain = a.GetFirstExecutionRunId()
	h.status(a.GetSearchAttributes())
	if h.workflowType != "OrderFulfillment" {
		return
	}
	decode(a.GetMemo().GetFields()["sourceEventId"], &h.run.SourceEventID)
	var in input
	decode(first(a.GetInput()), &in)
	h.run.Input = facts.Input{
		CustomerID: in.CustomerID, Total: in.Total, SourceEventID: in.Source.EventID, Revision: in.Source.Revision,
	}
}

func (h *history) status(a *common.SearchAttributes) {
	if payload := a.GetIndexedFields()["OrderStatus"]; payload != nil {
		decode(payload, &h.run.OrderStatus)
	}
}

// closed records how the run ended if e is a closing event.
func (h *history) closed(e *historypb.HistoryEvent) {
	var end *common.Payloads
	switch e.GetEventType() {
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
		h.run.Status, end = facts.RunCompleted, e.GetWorkflowExecutionCompletedEventAttributes().GetResult()
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
		h.run.Status, end = facts.RunFailed, detailsOf(e.GetWorkflowExecutionFailedEventAttributes().GetFailure())
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
		h.run.Status, end = facts.RunCanceled, e.GetWorkflowExecutionCanceledEventAttributes().GetDetails()
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
		h.run.Status = facts.RunTerminated
	case enums.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT, enums.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW:
		h.run.Status = facts.RunOther
	default:
		return
	}
	h.wait.over()
	h.run.Closed = e.GetEventTime().AsTime()
	var state struct {
		Status order.Status `json:"status"`
		Reason order.Reason `json:"reason"`
		Email  string       `json:"email"`
	}
	if decode(first(end), &state); state.Status != "" {
		h.run.Outcome = &facts.Outcome{Status: state.Status, Reason: state.Reason, Email: state.Email}
	}
}

func detailsOf(f *failure.Failure) *common.Payloads {
	return f.GetApplicationFailureInfo().GetDetails()
}

func first(payloads *common.Payloads) *common.Payload {
	if len(payloads.GetPayloads()) == 0 {
		return nil
	}
	return payloads.GetPayloads()[0]
}

// decode leaves the target unchanged if there is nothing to decode: an invariant reports
// it then.
func decode(payload *common.Payload, into any) {
	if payload != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(payload, into)
	}
}
