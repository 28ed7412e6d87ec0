package main

import (
	"context"
	"net/url"
	"time"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/local/internal/stack"
)

const (
	// watchEvery is how often the newest orders are queried.
	watchEvery = 500 * time.Millisecond

	// shownRows is the number of rows of a table. watchedLines is the number of orders
	// followed when changes are printed as lines.
	shownRows    = 15
	watchedLines = 100
)

// display shows the newest orders.
type display interface {
	show(seen []orders.Seen)
	say(text string) // a message that does not belong to an order
}

// watch queries the newest orders and shows them until ctx is done.
func watch(ctx context.Context, recent *orders.Recent, on display) {
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

// streamBrowser returns the URL of kurrentsim's stream pages. It is empty if the event
// store was not started by this stack, because its pages are elsewhere.
func streamBrowser(d stack.Description) string {
	address, err := url.Parse(d.KurrentDBURL)
	if err != nil || d.PIDs["kurrentsim"] == 0 {
		return ""
	}
	return "http://" + address.Host + "/web/"
}

// links returns the pages and paths to show.
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
