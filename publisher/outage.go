package main

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// outage logs an outage: once when it begins, then at intervals while it lasts, and once
// when it ends, however many versions are affected.
type outage struct {
	logger *slog.Logger
	now    func() time.Time

	mu       sync.Mutex
	waiting  int       // versions that failed and are being retried
	since    time.Time // when the first of them failed
	loggedAt time.Time
	logged   bool // in this outage
}

// logInterval is how often an ongoing outage is logged.
const logInterval = time.Minute

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.waiting == 0 {
		o.since, o.logged = o.now(), false
	}
	o.waiting++
}

func (o *outage) report(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); now.Sub(o.loggedAt) >= logInterval {
		o.loggedAt, o.logged = now, true
		o.logger.Warn("publishing failed, retrying", "versions", o.waiting, "since", o.since.UTC(), "error", err)
	}
}

func (o *outage) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting--
	if o.waiting == 0 && o.logged {
		o.logger.Info("publishing resumed", "after", o.now().Sub(o.since).Round(time.Second))
	}
}

// sessionLog logs how sessions end. It logs the same cause again only if it persists for
// logInterval.
type sessionLog struct {
	logger   *slog.Logger
	cause    string
	loggedAt time.Time
}

func (s *sessionLog) ended(slot string, err error) {
	level := slog.LevelDebug
	if now := time.Now(); err.Error() != s.cause || now.Sub(s.loggedAt) >= logInterval {
		level, s.cause, s.loggedAt = slog.LevelWarn, err.Error(), now
	}
	s.logger.Log(context.Background(), level, "session ended, starting another", "slot", slot, "error", err)
}
