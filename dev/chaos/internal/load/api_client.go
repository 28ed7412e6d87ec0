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

// maxReply bounds the size of a response.
const maxReply = 1 << 20

// apiClient is the client of the api's replicas. Each attempt uses the next replica. A
// connection serves one request, so that only the caller repeats requests.
type apiClient struct {
	urls   []string
	client *http.Client
	turn   atomic.Uint64

	mu      sync.Mutex
	answers map[string]int // by request and status; 0 for those without a response
}

func newAPIClient(urls []string) *apiClient {
	return &apiClient{urls: urls, client: &http.Client{Timeout: oneTry, Transport: &http.Transport{DisableKeepAlives: true}}, answers: map[string]int{}}
}

// reply is a completely read response.
type reply struct {
	status int
	kind   string // the content type
	body   []byte
}

// ask makes a request once and counts it. After an error the outcome of the request is
// unknown.
func (f *apiClient) ask(ctx context.Context, method, path string, body []byte) (reply, error) {
	r, err := f.try(ctx, method, path, body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[fmt.Sprintf("%s %s: %d", method, pattern(path), r.status)]++
	return r, err
}

// counted returns the number of requests so far, by request and status.
func (f *apiClient) counted() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.answers)
}

func (f *apiClient) try(ctx context.Context, method, path string, body []byte) (reply, error) {
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

// problem is an api's error response.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// leakedInternals are words that reveal internals: addresses, errors of drivers and of
// Go.
var leakedInternals = regexp.MustCompile(`\d+\.\d+\.\d+\.\d+|rpc error|SQLSTATE|dial tcp|pgx|goroutine|\.go:\d|context (deadline|canceled)|connection re`)

// improper returns what is wrong with the form of a response, independent of its content,
// or "".
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
	case leakedInternals.Match(r.body):
		return fmt.Sprintf("%d shows what is inside: %s", r.status, p.Detail)
	case r.status >= http.StatusInternalServerError && r.status != http.StatusServiceUnavailable:
		return fmt.Sprintf("%d %s", r.status, p.Detail)
	}
	return ""
}

func (r reply) problem() (p problem) {
	_ = json.Unmarshal(r.body, &p) // an unreadable problem counts as empty
	return p
}

// String describes the response briefly.
func (r reply) String() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", r.status, r.problem().Detail))
}

// request repeats a request until there is a response, or ctx is done, and passes it to
// take, which returns what is wrong with it, if anything. Requests without a response,
// and those that the api could not serve because of an outage, are repeated unchanged.
func (l *orderDriver) request(ctx context.Context, method, path string, body []byte, take func(r reply) (wrong string)) error {
	what := method + " " + pattern(path)
	return l.retryUntilDone(ctx, what, func(ctx context.Context) (bool, error) {
		l.record(func(of *ledger) { of.sent[what]++ })
		r, err := l.api.ask(ctx, method, path, body)
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
			l.addViolation("api.answers", what+": "+wrong)
		}
		return r.status < http.StatusInternalServerError, nil
	})
}

// pattern returns a path without ids.
func pattern(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) > 2 {
		parts[2] = "{id}"
	}
	return strings.Join(parts, "/")
}

// found returns the recorded violations. An order driver that never ends may still be
// adding some.
func (l *orderDriver) found() []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.blamed)
}

// addViolation records a violation once.
func (l *orderDriver) addViolation(invariant, detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range l.blamed {
		if v.Invariant == invariant && v.Detail == detail {
			return
		}
	}
	l.blamed = append(l.blamed, Violation{Invariant: invariant, Order: l.id, Detail: detail})
}
