package bridge

import (
	"context"

	"orderflow/internal/kurrent"
)

// resolve returns the event behind a delivery. It looks up a link that was delivered
// without its target, and a link delivered as an event by a group that does not resolve
// links. It returns nil if the link has no target, or if the target is certainly gone. A
// group on All delivers each event itself, so its links are nothing.
func (b *Bridge) resolve(ctx context.Context, d kurrent.Delivery) (*Event, error) {
	link := d.Link
	if d.Event != nil {
		if !isLink(d.Event) {
			event := Event(*d.Event)
			return &event, nil
		}
		link = d.Event
	}
	if link == nil || !isLink(link) || b.o.Subscription.Stream == All {
		return nil, nil
	}
	found, err := b.events.ReadLinkTarget(ctx, *link)
	switch {
	case kurrent.IsGone(err):
		return nil, nil
	case err != nil:
		return nil, err
	}
	event := Event(found)
	return &event, nil
}

// isLink reports whether an event is a link with a target.
func isLink(e *kurrent.Event) bool {
	_, _, ok := kurrent.LinkTarget(*e)
	return ok
}
