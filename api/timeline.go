package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

const (
	// maxTimelineEvents limits how many events are read from each of the order's own
	// streams. Both have only a few.
	maxTimelineEvents = 500

	// creditWindow is how many events of the customer's stream, up to the last decision
	// about an order, are searched for the other decisions.
	creditWindow = 1000
)

// timelineEntry is one thing that happened to an order.
type timelineEntry struct {
	At     time.Time
	What   string
	Detail string
	Where  string // the stream of the event, or the ledger
	Stream string // the stream to link to; empty for the ledger
	Tone   string
}

// timeline is what happened to an order, with notices about what is missing.
type timeline struct {
	Entries   []timelineEntry
	Notices   []string
	LagEvents *int
	known     *view.Order
}

// Trace returns what led to the order, as far as the view has it.
func (t timeline) Trace() correlation.Trace {
	if t.known == nil {
		return correlation.Trace{}
	}
	return t.known.Trace
}

// timeline collects the order's timeline. A store that is unavailable, or a view that is
// behind, adds a notice and is no error, because the rest is still useful.
func (a *api) timeline(ctx context.Context, state order.State) timeline {
	var t timeline
	about, err := a.view.FindOrder(ctx, state.OrderID)
	if err != nil {
		a.missing(&t, err, "Emails and credit decisions are missing: PostgreSQL is unavailable.")
	} else {
		t.known = about.Order
		t.LagEvents = a.behind(ctx, about.Position)
		for _, mail := range about.Mails {
			t.Entries = append(t.Entries, describeEmail(mail))
		}
	}
	err = errors.Join(
		a.gather(ctx, &t, order.Stream(state.OrderID), 0, maxTimelineEvents, describeOrderEvent),
		a.gather(ctx, &t, fulfillment.Stream(state.OrderID), 0, maxTimelineEvents, describeFulfillmentEvent),
		a.credit(ctx, &t, state),
	)
	if err != nil {
		a.missing(&t, err, "Events are missing: KurrentDB is unavailable.")
	}
	slices.SortStableFunc(t.Entries, func(x, y timelineEntry) int { return x.At.Compare(y.At) })
	return t
}

// credit adds the credit decisions about the order. The customer's stream may be long:
// the view has the revision of the last decision.
func (a *api) credit(ctx context.Context, t *timeline, state order.State) error {
	if t.known == nil || t.known.CreditRevision == view.None {
		if state.Credit != order.CreditNone {
			t.Notices = append(t.Notices, "Credit decisions are missing: they are not in the customer view yet.")
		}
		return nil
	}
	last := uint64(t.known.CreditRevision)
	from := last - min(last, creditWindow-1)
	found := len(t.Entries)
	err := a.gather(ctx, t, credit.Stream(state.CustomerID), from, int(last-from)+1, func(e kurrent.Event) (timelineEntry, bool) {
		return describeCreditDecision(e, state.OrderID)
	})
	if from > 0 && len(t.Entries)-found < 2 {
		t.Notices = append(t.Notices, "Only the newest credit decision is shown: the account has many events.")
	}
	return err
}

// gather adds the entries that describe returns for the events of a stream. A stream that
// does not exist or was deleted adds none.
func (a *api) gather(
	ctx context.Context, t *timeline, stream string, from uint64, limit int, describe func(kurrent.Event) (timelineEntry, bool),
) error {
	err := a.streams.ReadStream(ctx, stream, from, limit, func(e kurrent.Event) error {
		if entry, ok := describe(e); ok {
			entry.At, entry.Where, entry.Stream = e.Created, e.Stream, e.Stream
			t.Entries = append(t.Entries, entry)
		}
		return nil
	})
	if kurrent.IsGone(err) {
		return nil
	}
	return err
}

func (a *api) missing(t *timeline, err error, notice string) {
	a.logger.Warn("showing an incomplete page", "error", err)
	t.Notices = append(t.Notices, notice)
}
