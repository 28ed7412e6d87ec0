package bridge

import (
	"context"
	"errors"
	"strings"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/serverjson"
)

// Unlinked is an event that no subscription to its category delivers: it says that its
// data is JSON, and the server cannot parse that. The server leaves it out of the
// category's stream without a word.
type Unlinked struct {
	Event  Event
	Reason error // why the server cannot parse it
}

// Unlinked compares the whole log with a category's stream, such as "$ce-invoice", and
// visits every event of the given types, written since a time, that the server left out
// of it. It needs the right to read All, which only administrators have by default. To
// repair one, append what the event should have said as a new event of its stream.
func (k *KurrentDB) Unlinked(ctx context.Context, stream string, types []string, since time.Time, visit func(Unlinked) error) error {
	if !strings.HasPrefix(stream, categoryStream) || len(types) == 0 {
		return errors.New("unlinked: the stream must be a category's, and at least one type named")
	}
	return k.client.Scan(ctx, kurrent.Scan{Types: types, Since: since}, func(e kurrent.Event) error {
		if reason := WhyUnlinked(stream, Event(e)); reason != nil {
			return visit(Unlinked{Event: Event(e), Reason: reason})
		}
		return nil
	})
}

// WhyUnlinked returns why the server leaves an event of a category out of the category's
// stream. It returns nil if it does not, or if the event is none of the category.
func WhyUnlinked(stream string, e Event) error {
	category, ok := strings.CutPrefix(stream, categoryStream)
	if !ok || e.ContentType != contentTypeJSON || !strings.HasPrefix(e.Stream, category+"-") {
		return nil
	}
	return serverjson.Check(e.Data)
}
