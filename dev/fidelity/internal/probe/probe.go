package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

const (
	defaultLimit = 10 * time.Second
	// grace is how long past its limit a probe may take to notice that its context is
	// done, before it counts as hung.
	grace = 4 * time.Second
	// early is how long before the limit a server may end a call because of it: it
	// measures the time itself.
	early = 100 * time.Millisecond
)

// probe is one question to the server.
type probe struct {
	name  string // words and dots; no dash, which has a meaning in names of streams
	limit time.Duration
	run   func(*P)
}

// alone reports whether the probe must not run concurrently with others: it reads all of
// $all, moves much data, or affects others.
func (pr probe) alone() bool {
	for _, area := range []string{"all.", "follow.", "groupall.", "disturb.", "content.size.", "content.none", "wire.append.success", "wire.append.toolarge", "link.streams", "link.type.deleted"} {
		if strings.HasPrefix(pr.name, area) {
			return true
		}
	}
	return false
}

func ask(name string, run func(*P)) probe { return probe{name: name, limit: defaultLimit, run: run} }

func slow(name string, limit time.Duration, run func(*P)) probe {
	return probe{name: name, limit: limit, run: run}
}

type obj = map[string]any

type list = []any

// env is shared by all probes of one run.
type env struct {
	config kurrentdb.Configuration
	second kurrentdb.Credentials // of a user without rights; the login is empty if there is none
	run    string                // unique to this run, of constant length
	quiet  time.Duration
	wire   *wire
}

// secure reports whether the server is asked over TLS with credentials.
func (e *env) secure() bool { return !e.config.DisableTLS && e.config.Username != "" }

// P is a running probe: its connection to the server, and the steps it has recorded.
type P struct {
	*env
	ctx    context.Context
	name   string
	prefix string // of its streams' names

	mu      sync.Mutex
	steps   []obj
	faults  []string
	ids     map[string]string // label by UUID
	cleanup []func()
	db      *kurrentdb.Client
}

// stop is the panic that ends a probe whose preparation failed.
type stop struct{}

// execute runs a probe until it ends, its limit is reached or ctx is done.
func (e *env) execute(ctx context.Context, pr probe) Answer {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, pr.limit)
	defer cancel()
	p := &P{env: e, ctx: ctx, name: pr.name, ids: map[string]string{}}
	p.prefix = e.run + "." + strings.ReplaceAll(pr.name, ".", "_") + "."
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.recovered()
		pr.run(p)
	}()
	select {
	case <-done:
		if end, _ := ctx.Deadline(); time.Until(end) < early {
			p.fault("limit reached")
		}
		p.clean()
	case <-time.After(pr.limit + grace):
		p.fault("hang")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	line := p.normalize(encode(obj{"probe": pr.name, "result": p.steps}))
	return Answer{Probe: pr.name, Line: line, Faults: p.faults, Took: time.Since(began)}
}

func (p *P) recovered() {
	reason := recover()
	if _, stopped := reason.(stop); reason != nil && !stopped {
		p.fault(fmt.Sprint("panic: ", reason))
	}
}

// fault records a failure of the probe itself.
func (p *P) fault(what string) {
	p.Note("FAULT", what)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, what)
}

// clean runs the functions passed to Later, newest first, and closes the client.
func (p *P) clean() {
	defer p.recovered()
	for i := len(p.cleanup) - 1; i >= 0; i-- {
		p.cleanup[i]()
	}
	if p.db != nil {
		_ = p.db.Close()
	}
}

// Note records one step. The order of steps is part of the answer.
func (p *P) Note(label string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.steps = append(p.steps, obj{label: value})
}

// Must ends the probe if a preparation failed.
func (p *P) Must(what string, err error) {
	if err != nil {
		p.Note("cannot "+what, p.failure(err))
		panic(stop{})
	}
}

// S returns the full name of one of the probe's streams.
func (p *P) S(local string) string { return p.prefix + local }

// T returns an event type that no other probe uses.
func (p *P) T(local string) string { return p.prefix + local }

// ID returns a UUID that appears in the answer as its label.
func (p *P) ID(label string) uuid.UUID {
	id := uuid.NewSHA1(uuid.NameSpaceURL, []byte(p.prefix+label))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[id.String()] = label
	return id
}

// DB returns the probe's own client, so that no probe can break the client of another.
func (p *P) DB() *kurrentdb.Client {
	if p.db == nil {
		p.db = p.newDB(nil)
	}
	return p.db
}

// newDB opens another client, with other credentials if they are given.
func (p *P) newDB(as *kurrentdb.Credentials) *kurrentdb.Client {
	config := p.config
	if as != nil {
		config.Username, config.Password = as.Login, as.Password
	}
	client, err := kurrentdb.NewClient(&config)
	p.Must("make a client", err)
	return client
}

// Later runs undo when the probe is over.
func (p *P) Later(undo func()) { p.cleanup = append(p.cleanup, undo) }

// Until waits until done returns true or the limit is over, and returns the last result
// of done.
func (p *P) Until(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); time.Now().Before(end) && p.ctx.Err() == nil; {
		if done() {
			return true
		}
		p.Sleep(50 * time.Millisecond)
	}
	return done()
}

// Sleep waits, but not past the end of the probe.
func (p *P) Sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.ctx.Done():
	}
}

// within runs a call that may never return, such as one that ignores its context.
func (p *P) within(limit time.Duration, do func() any) any {
	answer := make(chan any, 1)
	go func() {
		defer func() {
			if reason := recover(); reason != nil {
				answer <- fmt.Sprint("panic: ", reason)
			}
		}()
		answer <- do()
	}()
	select {
	case value := <-answer:
		return value
	case <-time.After(limit):
		return "no answer"
	}
}

func encode(value any) []byte {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return encode(obj{"FAULT": errors.Join(errors.New("encode"), err).Error()})
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
