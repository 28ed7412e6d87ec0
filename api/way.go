package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

const (
	// maxSteps bounds what is read of an order's own streams: both have a handful of
	// events.
	maxSteps = 500

	// creditWindow is how far back from the last decision about an order the others are
	// looked for on its customer's stream.
	creditWindow = 1000
)

// step is one thing that happened to an order.
type step struct {
	At     time.Time
	What   string
	Detail string
	Where  string // the stream it stands on, or the ledger
	Stream string // to link to; empty for the ledger
	Tone   string
}

// way is what happened to an order, and what is not known about it.
type way struct {
	Steps     []step
	Notices   []string
	LagEvents *int
	known     *view.Order
}

// way gathers the order's steps. A store that does not answer, or has not read so far, is
// a notice and no error: what the others say is still of use.
func (a *api) way(ctx context.Context, state order.State) way {
	var w way
	about, err := a.view.FindOrderView(ctx, state.OrderID)
	if err != nil {
		a.missing(&w, err, "The mails and credit decisions are missing here: PostgreSQL does not answer.")
	} else {
		w.known = about.Order
		w.LagEvents = a.behind(ctx, about.Position)
		for _, mail := range about.Mails {
			w.Steps = append(w.Steps, stepOfMail(mail))
		}
	}
	err = errors.Join(
		a.gather(ctx, &w, state.OrderID, 0, maxSteps, stepOfOrder),
		a.gather(ctx, &w, view.FulfillmentPrefix+state.OrderID, 0, maxSteps, stepOfFulfillment),
		a.credit(ctx, &w, state),
	)
	if err != nil {
		a.missing(&w, err, "Steps are missing here: the event store does not answer.")
	}
	slices.SortStableFunc(w.Steps, func(x, y step) int { return x.At.Compare(y.At) })
	return w
}

// credit gathers what was decided about the order. The customer's stream may be long: the
// view knows where to look.
func (a *api) credit(ctx context.Context, w *way, state order.State) error {
	if w.known == nil || w.known.CreditRevision == view.None {
		if state.Credit != order.CreditNone {
			w.Notices = append(w.Notices, "Credit decisions are missing here: the view has not read of them yet.")
		}
		return nil
	}
	last := uint64(w.known.CreditRevision)
	from := last - min(last, creditWindow-1)
	found := len(w.Steps)
	err := a.gather(ctx, w, creditStream(state.CustomerID), from, int(last-from)+1, func(e kurrent.Event) (step, bool) {
		return stepOfCredit(e, state.OrderID)
	})
	if from > 0 && len(w.Steps)-found < 2 {
		w.Notices = append(w.Notices, "Only the newest credit decision is looked for: the account has many events.")
	}
	return err
}

// gather adds what a stream tells. One that does not exist, or was deleted, tells
// nothing.
func (a *api) gather(
	ctx context.Context, w *way, stream string, from uint64, limit int, tell func(kurrent.Event) (step, bool),
) error {
	err := a.streams.ReadStream(ctx, stream, from, limit, func(e kurrent.Event) error {
		if s, told := tell(e); told {
			s.At, s.Where, s.Stream = e.Created, e.Stream, e.Stream
			w.Steps = append(w.Steps, s)
		}
		return nil
	})
	if errors.Is(err, kurrent.ErrNotFound) || errors.Is(err, kurrent.ErrDeleted) {
		return nil
	}
	return err
}

func (a *api) missing(w *way, err error, notice string) {
	a.logger.Warn("page is shown in part", "error", err)
	w.Notices = append(w.Notices, notice)
}

func creditStream(customerID string) string { return view.CreditPrefix + customerID }
