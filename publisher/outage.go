package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outage says once that versions cannot be published, now and then that they still cannot, and once that they can again,
// however many wait.
type outage struct {
	logger *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	waiting int       // versions that met it and are not through
	since   time.Time // when the first of them did
	said    time.Time
	told    bool // in this outage
}

// sayAgain is how often an outage is mentioned.
const sayAgain = time.Minute

func (o *outage) begins() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == 0 {
		o.since, o.told = o.now(), false
	}
	o.waiting++
}

func (o *outage) goesOn(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); now.Sub(o.said) >= sayAgain {
		o.said, o.told = now, true
		o.logger.Warn("versions cannot be published now, they wait", "versions", o.waiting, "since", o.since.UTC(), "error", err)
	}
}

func (o *outage) ends() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting--
	if o.waiting == 0 && o.told {
		o.logger.Info("versions no longer wait", "after", o.now().Sub(o.since).Round(time.Second))
	}
}

// saying logs the ends of sessions: each cause once, and again when it still lasts after a while.
type saying struct {
	logger *slog.Logger
	cause  string
	at     time.Time
}

func (s *saying) ended(slot string, err error) {
	level := slog.LevelDebug
	if now := time.Now(); err.Error() != s.cause || now.Sub(s.at) >= sayAgain {
		level, s.cause, s.at = slog.LevelWarn, err.Error(), now
	}
	s.logger.Log(context.Background(), level, "session ended, another begins", "slot", slot, "error", err)
}
