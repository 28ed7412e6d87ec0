package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

const (
	// maxLive limits the pages that are live at a time. Further ones are as useful, and
	// show what has changed when they are loaded again.
	maxLive = 64

	// liveEvery is how often a stream looks for a change.
	liveEvery = 2 * time.Second

	// liveAnyway is how often a stream reports a change without one: times that are left
	// run, and what Temporal knows changes no view.
	liveAnyway = 30 * time.Second

	// liveFor ends a stream, so that its token is checked again. The page opens another.
	liveFor = 10 * time.Minute

	// liveWrite limits a write to a reader that takes nothing.
	liveWrite = 5 * time.Second

	livePattern = "GET /live"
	eventStream = "text/event-stream"
)

// liveStreams limits the open streams of changes, and ends them with the api.
type liveStreams struct {
	slots   chan struct{}
	stopped chan struct{}
	stop    func() // ends all streams
	every   time.Duration
}

func newLiveStreams(registry prometheus.Registerer) *liveStreams {
	l := &liveStreams{slots: make(chan struct{}, maxLive), stopped: make(chan struct{}), every: liveEvery}
	l.stop = sync.OnceFunc(func() { close(l.stopped) })
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orderflow_api_live_pages", Help: "Pages that receive changes as server-sent events.",
	}, func() float64 { return float64(len(l.slots)) }))
	return l
}

// getLive sends a server-sent event whenever a page should be loaded again: that of the
// order named, or any page with figures or lists.
func (a *api) getLive(w http.ResponseWriter, r *http.Request) error {
	id := r.URL.Query().Get("order")
	if id != "" && !order.ValidID(id) {
		return badField("order", order.ErrInvalidID.Error())
	}
	select {
	case a.live.slots <- struct{}{}:
		defer func() { <-a.live.slots }()
	default:
		return problemOf(http.StatusServiceUnavailable, "too many pages are live")
	}
	out := http.NewResponseController(w)
	_ = out.SetReadDeadline(time.Time{}) // or the server ends the stream; one that cannot is used in tests only
	w.Header().Set("Content-Type", eventStream)
	w.Header().Set("X-Accel-Buffering", "no") // or nginx keeps events back
	w.WriteHeader(http.StatusOK)
	return a.follow(r.Context(), id, func(text string) error {
		_ = out.SetWriteDeadline(time.Now().Add(liveWrite))
		if _, err := fmt.Fprint(w, text); err != nil {
			return err
		}
		err := out.Flush()
		_ = out.SetWriteDeadline(time.Time{}) // in HTTP/2 one that passes ends the stream, even an idle one
		return err
	})
}

// follow sends an event for each change until the reader has gone, the time is up, or the
// api stops. It never returns an error: the status has been sent.
func (a *api) follow(ctx context.Context, id string, send func(text string) error) error {
	if send("retry: 5000\n\n") != nil {
		return nil
	}
	look, anyway, end := time.NewTicker(a.live.every), time.NewTicker(liveAnyway), time.NewTimer(liveFor)
	defer look.Stop()
	defer anyway.Stop()
	defer end.Stop()
	seen, _ := a.version(ctx, id)
	for {
		changed := false
		select {
		case <-ctx.Done():
			return nil
		case <-a.live.stopped:
			return nil
		case <-end.C:
			return nil
		case <-anyway.C:
			changed = true
		case <-look.C:
			if now, err := a.version(ctx, id); err == nil {
				changed, seen = now != seen, now
			}
		}
		if changed && send("event: changed\ndata:\n\n") != nil {
			return nil
		}
	}
}

// version returns a text that differs whenever a page may: of an order, what the view and
// the send ledger have; otherwise how far the log was projected.
func (a *api) version(ctx context.Context, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if id == "" {
		at, err := a.view.Position(ctx, postgres.ProjectionLive)
		return fmt.Sprint(at.Commit), err
	}
	found, err := a.view.FindOrder(ctx, id)
	if err != nil || found.Order == nil {
		return "", err
	}
	return fmt.Sprint(found.Order.OrderRevision, found.Order.CreditRevision, found.Order.FulfillmentRevision, found.Mails), nil
}
