package kurrent

import (
	"context"
	"errors"
	"time"
)

// ErrSilent is why a watched subscription must end: it looks alive, and delivers nothing
// although there are events to deliver. The transport's keepalive detects a dead
// connection. It detects neither one that an intermediary keeps alive, nor a server that
// has lost its consumer.
var ErrSilent = errors.New("the subscription is silent")

// Finding is what a look at a subscription finds.
type Finding int

// What a look can find. Each consumer of events knows best how to look: what it has
// received or stored, and how many events the server says there are.
const (
	Unclear    Finding = iota // a store is unavailable, which is not silence
	Delivering                // events have arrived since the last look, or there are none to deliver
	Silent                    // there are events to deliver, and none has arrived since the last look
	Denied                    // the user may not see whether there are events to deliver
)

// Watch says when a subscription counts as silent: after so many looks in a row that find
// it so. A single one may race with an event in transit.
type Watch struct {
	Every     time.Duration // between two looks
	MaxSilent int
	MaxDenied int // the same for a consumer that may not look; 0 is no limit
}

// Run looks at a subscription regularly. It returns ErrSilent once it counts as silent,
// and nil if ctx ends before that.
func (w Watch) Run(ctx context.Context, look func(context.Context) Finding) error {
	ticker := time.NewTicker(w.Every)
	defer ticker.Stop()
	silent, denied := 0, 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		switch look(ctx) {
		case Unclear:
		case Delivering:
			silent, denied = 0, 0
		case Silent:
			silent++
		case Denied:
			denied++
		}
		if silent >= w.MaxSilent || w.MaxDenied > 0 && denied >= w.MaxDenied {
			return ErrSilent
		}
	}
}
