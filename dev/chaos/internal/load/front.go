package load

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// maxReply bounds what is read of an answer.
const maxReply = 1 << 20

// front is the api as its clients meet it: some replicas, of which each try takes the next. A connection serves one request,
// so that no request is repeated but by whoever made it.
type front struct {
	urls   []string
	client *http.Client
	turn   atomic.Uint64

	mu      sync.Mutex
	answers map[string]int // by request and status; 0 for those that went unanswered
}

func newFront(urls []string) *front {
	return &front{urls: urls, client: &http.Client{Timeout: oneTry, Transport: &http.Transport{DisableKeepAlives: true}}, answers: map[string]int{}}
}

// reply is an answer that was read to its end.
type reply struct {
	status int
	kind   string // the content type
	body   []byte
}

// ask makes a request once and counts it. An error says that nobody knows what became of it.
func (f *front) ask(ctx context.Context, method, path string, body []byte) (reply, error) {
	r, err := f.try(ctx, method, path, body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[fmt.Sprintf("%s %s: %d", method, pattern(path), r.status)]++
	return r, err
}

// counted gives the requests so far, by what they asked for and the status of the answer.
func (f *front) counted() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.answers)
}

func (f *front) try(ctx context.Context, method, path string, body []byte) (reply, error) {
	url := f.urls[f.turn.Add(1)%uint64(len(f.urls))] + path
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := f.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = answer.Body.Close() }()
	said, err := io.ReadAll(io.LimitReader(answer.Body, maxReply))
	if err != nil {
		return reply{}, fmt.Errorf("read the answer: %w", err)
	}
	return reply{status: answer.StatusCode, kind: answer.Header.Get("Content-Type"), body: said}, nil
}

// problem is what an api says that cannot do what it was asked for.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// innards are words that only somebody uses who looks into the machine: addresses, drivers' errors, Go's own.
var innards = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+|rpc error|SQLSTATE|dial tcp|pgx|goroutine|\.go:\d|context (deadline|canceled)|connection re`)

// improper says what is wrong with the form of an answer, whatever it answers; empty when nothing is.
func (r reply) improper() string {
	if r.status < http.StatusBadRequest {
		var any map[string]any
		if json.Unmarshal(r.body, &any) != nil {
			return fmt.Sprintf("%d with a body that is no JSON object", r.status)
		}
		return ""
	}
	p := r.problem()
	switch {
	case r.kind != "application/problem+json" || p.Title == "" || p.Status != r.status:
		return fmt.Sprintf("%d without saying so as a problem", r.status)
	case innards.Match(r.body):
		return fmt.Sprintf("%d shows what is inside: %s", r.status, p.Detail)
	case r.status >= http.StatusInternalServerError && r.status != http.StatusServiceUnavailable:
		return fmt.Sprintf("%d %s", r.status, p.Detail)
	}
	return ""
}

func (r reply) problem() (p problem) {
	_ = json.Unmarshal(r.body, &p) // a problem that cannot be read is an empty one
	return p
}

// String tells the answer in a few words.
func (r reply) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", r.status, r.problem().Detail))
}

// request asks until there is an answer, or ctx ends, and has it judged: take says what is wrong with it, if anything. What
// went unanswered, and what the api could not do for an outage, is asked again in the same words.
func (l *life) request(ctx context.Context, method, path string, body []byte, take func(r reply) (wrong string)) error {
	what := method + " " + pattern(path)
	return l.insist(ctx, what, func(ctx context.Context) (bool, error) {
		l.record(func(of *ledger) { of.sent[what]++ })
		r, err := l.front.ask(ctx, method, path, body)
		if err != nil {
			return false, err
		}
		wrong := r.improper()
		if wrong == "" && r.status == http.StatusServiceUnavailable {
			return false, fmt.Errorf("%s", r)
		}
		if wrong == "" {
			wrong = take(r)
		}
		if wrong != "" {
			l.blame("api.answers", what+": "+wrong)
		}
		return r.status < http.StatusInternalServerError, nil
	})
}

// pattern is a path without ids.
func pattern(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 2 {
		parts[2] = "{id}"
	}
	return strings.Join(parts, "/")
}

// found lists what was noted. A life that never ends may still be at it.
func (l *life) found() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.blamed)
}

// blame notes something that must never be, once.
func (l *life) blame(invariant, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.blamed {
		if v.Invariant == invariant && v.Detail == detail {
			return
		}
	}
	l.blamed = append(l.blamed, Violation{Invariant: invariant, Order: l.id, Detail: detail})
}
