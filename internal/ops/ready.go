package ops

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	checkTimeout = 2 * time.Second // platforms probe with little patience: a check that takes longer is a no
	checkFresh   = time.Second     // many probes, or a curious page, must not become load on the stores
)

// readiness runs the checks and keeps their answer for a moment.
type readiness struct {
	checks map[string]func(context.Context) error
	now    func() time.Time

	mu     sync.Mutex // held while checking, so that probes that come together share one answer
	until  time.Time
	ready  bool
	answer map[string]string
}

// ask answers whether every check passed, and for each "ok" or what is wrong. It does not take the caller's context: one
// probe that hangs up must not spoil the answer the others share.
func (r *readiness) ask() (bool, map[string]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Before(r.until) {
		return r.ready, r.answer
	}
	r.ready, r.answer = r.run()
	r.until = r.now().Add(checkFresh)
	return r.ready, r.answer
}

type checked struct {
	name string
	err  error
}

func (r *readiness) run() (bool, map[string]string) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	results := make(chan checked, len(r.checks))
	for name, check := range r.checks {
		go func() { results <- checked{name, check(ctx)} }()
	}
	ready, answer := true, make(map[string]string, len(r.checks))
	for name := range r.checks {
		answer[name] = "no answer in time" // stands for a check that does not heed its context
	}
	for range r.checks {
		select {
		case result := <-results:
			answer[result.name] = word(result.err)
			ready = ready && result.err == nil
		case <-ctx.Done():
			return false, answer
		}
	}
	return ready, answer
}

func word(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	default:
		return err.Error()
	}
}
