package main

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxBuckets bounds the tokens whose requests are counted. Names of tokens come from a
// file, so only a file that changes often reaches it.
const maxBuckets = 1024

// rateLimit limits the requests of each token, by the token's name. Each process counts
// its own. A nil rateLimit allows everything.
type rateLimit struct {
	perSecond, burst int

	mu      sync.Mutex
	buckets map[string]*rate.Limiter
}

func newRateLimit(perSecond, burst int) *rateLimit {
	return &rateLimit{perSecond: perSecond, burst: burst, buckets: map[string]*rate.Limiter{}}
}

// reserve counts a request of the named token. It returns how long the caller must wait
// before the request is allowed, and 0 if it is allowed now. A request that is not
// allowed does not count.
func (l *rateLimit) reserve(name string, now time.Time) (wait time.Duration) {
	if l == nil || l.perSecond == 0 {
		return 0
	}
	reserved := l.bucket(name).ReserveN(now, 1)
	if wait = reserved.DelayFrom(now); wait > 0 {
		reserved.CancelAt(now)
	}
	return wait
}

func (l *rateLimit) bucket(name string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	bucket := l.buckets[name]
	if bucket == nil {
		if len(l.buckets) >= maxBuckets {
			clear(l.buckets)
		}
		bucket = rate.NewLimiter(rate.Limit(l.perSecond), l.burst)
		l.buckets[name] = bucket
	}
	return bucket
}

// limitRate rejects requests with 429 while their token has made too many. Without tokens
// there is no limit.
func (a *api) limitRate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := principalOf(r).token.Name
		if name == "" {
			next.ServeHTTP(w, r)
			return
		}
		if wait := a.limit.reserve(name, a.now()); wait > 0 {
			p := problemOf(http.StatusTooManyRequests, "the token has made too many requests")
			p.retryAfter = wait
			fail(w, r, a.logger, p)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seconds returns a duration in whole seconds, rounded up, as Retry-After has it.
func seconds(d time.Duration) string { return strconv.Itoa(int(math.Ceil(d.Seconds()))) }
