package ops

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Check returns what is wrong with one thing, nil if nothing is. Its error is shown, so it must hold no secret.
type Check = func(context.Context) error

const (
	checkTimeout = 2 * time.Second // platforms probe with little patience: a check that takes longer is a no
	checkFresh   = time.Second     // many probes, or a curious page, must not become load on the stores
	stateEvery   = 5 * time.Second // between two looks at what readiness does not depend on
)

// What a check came to, if not its error.
const (
	passed   = "ok"
	late     = "no answer in time"
	notKnown = "not known yet"
)

// readiness runs the checks and keeps their answer for a moment.
type readiness struct {
	checks map[string]Check
	now    func() time.Time

	mu     sync.Mutex // held while checking, so that probes that come together share one answer
	until  time.Time
	answer map[string]string
}

// ask returns "ok" or what is wrong for each check. It does not take the caller's context: one probe that hangs up must not
// spoil the answer the others share.
func (r *readiness) ask() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.now().Before(r.until) {
		r.answer = runChecks(context.Background(), r.checks)
		r.until = r.now().Add(checkFresh)
	}
	return r.answer
}

// states keeps looking at what a daemon works with and can do without for a while. Nobody waits for a look.
type states struct {
	checks map[string]Check

	mu     sync.Mutex
	answer map[string]string
}

func newStates(checks map[string]Check) *states {
	s := &states{checks: checks, answer: map[string]string{}}
	for name := range checks {
		s.answer[name] = notKnown
	}
	return s
}

// watch looks until ctx ends.
func (s *states) watch(ctx context.Context) {
	if len(s.checks) == 0 {
		return
	}
	ticker := time.NewTicker(stateEvery)
	defer ticker.Stop()
	for {
		answer := runChecks(ctx, s.checks)
		s.mu.Lock()
		s.answer = answer
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// ask returns what the last look came to.
func (s *states) ask() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.answer)
}

type checked struct {
	name string
	err  error
}

// runChecks runs all at once, and waits no longer than checkTimeout also for one that does not heed its context.
func runChecks(ctx context.Context, checks map[string]Check) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	results := make(chan checked, len(checks))
	answer := make(map[string]string, len(checks))
	for name, check := range checks {
		answer[name] = late
		go func() { results <- checked{name, check(ctx)} }()
	}
	for range checks {
		select {
		case result := <-results:
			answer[result.name] = word(result.err)
		case <-ctx.Done():
			return answer
		}
	}
	return answer
}

func word(err error) string {
	switch {
	case err == nil:
		return passed
	case errors.Is(err, context.DeadlineExceeded):
		return late
	default:
		return err.Error()
	}
}
