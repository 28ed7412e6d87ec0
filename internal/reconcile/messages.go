package reconcile

import (
	"context"
	"errors"
	"sync"

	"go.temporal.io/api/history/v1"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// maxRuns bounds how many runs of a workflow that continued as new are read.
const maxRuns = 100

// parkedMessages are the events with messages that the starter's groups have parked. They
// are read once in a comparison, when the first one is needed.
type parkedMessages struct {
	sync.Mutex
	ids *idSet // nil: not read
}

// unaccepted reports whether an order waits for a message in a status, and has not accepted
// this one in any run: the id of the bridge's update is that of the event. What the order
// refused was parked, and is left to an operator.
func (r *reconciliation) unaccepted(ctx context.Context, d delivery, waits order.Status) (f facts, missed bool, err error) {
	run, err := r.describe(ctx, d.orderID)
	f = facts{Workflow: run.state}
	if err != nil || run.state != workflowOpen || run.status != waits {
		return f, false, err
	}
	accepted, err := r.findInRuns(ctx, d.orderID, run.id, func(event *history.HistoryEvent) bool {
		return event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetMeta().GetUpdateId() == d.event.ID.String()
	})
	if err != nil || accepted {
		return f, false, err
	}
	parked, err := r.isParked(ctx, d.event)
	return f, !parked, err
}

// isParked reports whether one of the starter's groups has parked an event with a message.
// None counts as parked in a group whose parked events cannot be read.
func (r *reconciliation) isParked(ctx context.Context, e kurrent.Event) (bool, error) {
	r.parkedMessages.Lock()
	defer r.parkedMessages.Unlock()
	if r.parkedMessages.ids == nil {
		ids := newIDSet()
		for _, stream := range r.messageGroups() {
			err := r.parked.Parked(ctx, stream, r.group, func(p kurrent.Parked) error {
				r.progress.beat()
				if p.Event != nil && isMessage(p.Event.Type) {
					ids.add(p.Event.ID.String())
				}
				return nil
			})
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			if err != nil {
				r.logger.Warn("cannot read parked events", "stream", stream, "group", r.group, "error", err)
			}
		}
		r.parkedMessages.ids = ids
	}
	return r.parkedMessages.ids.has(e.ID.String()), nil
}

// messageGroups returns the streams of the starter's groups that receive messages.
func (r *reconciliation) messageGroups() []string {
	if r.stream == kurrent.All {
		return []string{r.stream}
	}
	return []string{r.stream, order.CreditDecisionLinks}
}

// isMessage reports whether events of a type carry a message that an order may refuse.
func isMessage(eventType string) bool {
	return eventType == order.TypeShipmentRecorded || eventType == order.TypeCreditApproved || eventType == order.TypeCreditDeclined
}

// findInRuns reports whether the history of a run, or of a run that it continues, has such an
// event. Runs that the server has deleted have none.
func (r *reconciliation) findInRuns(
	ctx context.Context, orderID, runID string, is func(*history.HistoryEvent) bool,
) (found bool, err error) {
	for range maxRuns {
		before := ""
		found, err = r.findInHistory(ctx, orderID, runID, func(event *history.HistoryEvent) bool {
			if started := event.GetWorkflowExecutionStartedEventAttributes(); started != nil {
				before = started.GetContinuedExecutionRunId()
			}
			return is(event)
		})
		if found || err != nil || before == "" {
			return found, err
		}
		runID = before
	}
	return false, nil
}

// refuses reports whether an error of applying an event with a message settles it: the bridge
// would park the event with these words, and park it again each time.
func refuses(e kurrent.Event, err error) bool {
	var parked *bridge.ParkError
	return isMessage(e.Type) && errors.As(err, &parked)
}
