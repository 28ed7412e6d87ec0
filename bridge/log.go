package bridge

import "context"

// traced returns ctx with the trace context of the event's producer, so that a log handler
// can add the ids of the trace. It reads the event's metadata: call it only for a line
// that is rare.
func (t *heldEvent) traced(ctx context.Context) context.Context {
	if e := t.delivery.Event; e != nil && !isLink(e) {
		return Event(*e).context(ctx)
	}
	return ctx
}
