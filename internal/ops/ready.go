package ops

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"
)

// Check returns what is wrong with one dependency, or nil. Its error is shown to clients,
// so it must not contain a secret.
type Check = func(context.Context) error

const (
	checkTimeout = 2 * time.Second // platforms probe with short timeouts: a check that takes longer fails
	checkFresh   = time.Second     // frequent probes or page loads must not put load on the stores
	stateEvery   = 5 * time.Second // interval of the checks that readiness does not depend on

	// scrapePatience is how long a scrape waits for checks: a store that does not respond must
	// not make the process look down.
	scrapePatience = 200 * time.Millisecond
)

// Results of a check other than its error.
const (
	passed   = "ok"
	timedOut = "no answer in time"
	notKnown = "not known yet"
)

// readiness runs the checks and caches their results for checkFresh.
type readiness struct {
	checks map[string]Check
	now    func() time.Time

	checking sync.Mutex // held while checking, so that concurrent probes share the results
	until    time.Time

	mu      sync.Mutex
	results map[string]string
}

// check returns "ok" or what is wrong for each check. It does not use the caller's
// context: a probe that disconnects must not spoil the results that others share.
func (r *readiness) check() map[string]string {
	r.checking.Lock()
	defer r.checking.Unlock()
	r.refresh()
	return r.latest()
}

// refresh runs the checks unless their results are fresh. Its caller holds checking.
func (r *readiness) refresh() {
	if r.now().Before(r.until) {
		return
	}
	results := runChecks(context.Background(), r.checks)
	r.until = r.now().Add(checkFresh)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.results = results
}

// soon returns the results that there are after scrapePatience at most: those of the
// previous checks if a check takes longer, none if there are no previous ones.
func (r *readiness) soon() map[string]string {
	if r.checking.TryLock() {
		refreshed := make(chan struct{})
		go func() {
			defer close(refreshed)
			defer r.checking.Unlock()
			r.refresh()
		}()
		select {
		case <-refreshed:
		case <-time.After(scrapePatience):
		}
	}
	return r.latest()
}

func (r *readiness) latest() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.results)
}

// states periodically checks the dependencies that a daemon can do without for a while.
// No caller waits for a check.
type states struct {
	checks map[string]Check

	mu      sync.Mutex
	results map[string]string
}

func newStates(checks map[string]Check) *states {
	s := &states{checks: checks, results: map[string]string{}}
	for name := range checks {
		s.results[name] = notKnown
	}
	return s
}

// watch runs the checks until ctx ends.
func (s *states) watch(ctx context.Context) {
	if len(s.checks) == 0 {
		return
	}
	ticker := time.NewTicker(stateEvery)
	defer ticker.Stop()
	for {
		results := runChecks(ctx, s.checks)
		s.mu.Lock()
		s.results = results
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// last returns the results of the last checks.
func (s *states) last() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.results)
}

type checkResult struct {
	name string
	err  error
}

// runChecks runs all checks concurrently, and waits at most checkTimeout even for a check
// that ignores its context.
func runChecks(ctx context.Context, checks map[string]Check) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	done := make(chan checkResult, len(checks))
	results := make(map[string]string, len(checks))
	for name, check := range checks {
		results[name] = timedOut
		go func() { done <- checkResult{name, check(ctx)} }()
	}
	for range checks {
		select {
		case result := <-done:
			results[result.name] = textOf(result.err)
		case <-ctx.Done():
			return results
		}
	}
	return results
}

func textOf(err error) string {
	switch {
	case err == nil:
		return passed
	case errors.Is(err, context.DeadlineExceeded):
		return timedOut
	default:
		return err.Error()
	}
}
