package main

import (
	"context"
	"net/url"
	"time"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
)

const (
	// watchEvery is how often the newest orders are looked at.
	watchEvery = 500 * time.Millisecond

	// shownRows is what a table shows, watchedLines what is followed where a line is printed for each change.
	shownRows    = 15
	watchedLines = 100
)

// display shows the newest orders.
type display interface {
	show(seen []orders.Seen)
	say(text string) // something that is no order's business
}

// watch looks at the newest orders until the context ends.
func (s *session) watch(ctx context.Context, most int, on display) {
	recent := orders.Recent{Temporal: s.temporal, States: s.states, Most: most}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	trouble := ""
	for {
		seen, err := recent.Look(ctx)
		switch {
		case err == nil:
			trouble = ""
			on.show(seen)
		case ctx.Err() == nil && err.Error() != trouble:
			trouble = err.Error()
			on.say(trouble)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// streamBrowser is the stand-in's page of streams; empty when the event store is not ours, whose pages are elsewhere.
func streamBrowser(d stack.Description) string {
	address, err := url.Parse(d.KurrentDBURL)
	if err != nil || d.PIDs["kurrentsim"] == 0 {
		return ""
	}
	return "http://" + address.Host + "/web/"
}

// links are what there is to look at.
func (s *session) links() []link {
	d := s.stack.Description
	var all []link
	for _, l := range []link{
		{"orders", d.APIURL}, {"Temporal", d.TemporalUI}, {"inbox", d.SESURL}, {"streams", streamBrowser(d)}, {"KurrentDB", d.KurrentDBURL},
		{"logs", s.stack.Log("*")},
	} {
		if l.where != "" {
			all = append(all, l)
		}
	}
	return all
}
