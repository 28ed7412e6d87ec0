package kurrent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// defaultConnections is how many calls can be under way at once; more wait for one to end. A call takes a millisecond
// or two, so that is thousands a second.
const defaultConnections = 16

// After a failed attempt to connect, the next one waits between half of and a whole pause, which doubles up to the longest:
// within that time after a server is back, it is found.
const (
	shortestPause = 50 * time.Millisecond
	longestPause  = time.Second
)

// pool lends connected clients, each to one call at a time. What the client (v1.4.2) leaves to its users makes that
// necessary:
//
//   - A client whose search for the server fails is of no use after it, and the search takes no context. So a goroutine
//     connects, with a single attempt of bounded length, and the client is lent only after that. A caller can give up at
//     any moment, and there is never more than one attempt under way.
//   - A call that fails tells the client so, and waits for it without a context while it searches. Without a second
//     caller it does not search then.
//   - A client that has to search again leaks its old connection. So it goes back only after the server has answered, and
//     is closed after anything else: no answer in time, a lost connection.
//
// The one change of connection it makes while it is lent is the one to the leading node: see onLeader.
type pool struct {
	config  kurrentdb.Configuration
	logger  *slog.Logger
	closing context.Context // ends when the pool is closed

	free   chan *kurrentdb.Client // connected and in nobody's hands; it has room for all
	permit chan struct{}          // its one token is the right to connect one more client

	mu       sync.Mutex
	closed   bool
	limit    int
	since    map[*kurrentdb.Client]time.Time // the clients that are lent or free, and when each began to connect
	withheld bool                            // the token is kept back until a client is closed: there are limit of them
	failures int                             // attempts to connect since the last one that worked
	lastErr  error                           // of the last attempt; nil when it worked
}

func newPool(closing context.Context, config kurrentdb.Configuration, limit int, logger *slog.Logger) *pool {
	p := &pool{
		config: config, logger: logger, closing: closing, limit: limit, since: map[*kurrentdb.Client]time.Time{},
		free: make(chan *kurrentdb.Client, limit), permit: make(chan struct{}, 1),
	}
	p.permit <- struct{}{}
	return p
}

// get lends a connected client, or gives up with ErrUnavailable when ctx ends. Give it back with put or detach.
func (p *pool) get(ctx context.Context) (*kurrentdb.Client, error) {
	for {
		if client := p.takeFree(); client != nil { // rather than open one more
			return client, nil
		}
		select {
		case <-p.closing.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, p.unreachable(ctx)
		case client := <-p.free:
			return client, nil
		case <-p.permit:
			go p.connect()
		}
	}
}

// getNew is get for a client that begins to connect after the call: so it has looked for the leading node since. Older
// ones it meets are closed, for what one of them said is in doubt.
func (p *pool) getNew(ctx context.Context) (*kurrentdb.Client, error) {
	called := time.Now()
	for {
		client, err := p.get(ctx)
		if err != nil || p.connected(client).After(called) {
			return client, err
		}
		p.discard(client)
	}
}

func (p *pool) connected(client *kurrentdb.Client) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since[client]
}

func (p *pool) takeFree() *kurrentdb.Client {
	select {
	case client := <-p.free:
		return client
	default:
		return nil
	}
}

// unreachable says why nothing could be lent, with the reason the last attempt failed for.
func (p *pool) unreachable(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastErr == nil {
		return fmt.Errorf("%w: no connection: %w", ErrUnavailable, context.Cause(ctx))
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, detailOf(p.lastErr), context.Cause(ctx))
}

// connect spends the token on one more client, and passes both on.
func (p *pool) connect() {
	began := time.Now()
	client, err := connect(p.config)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
	if err != nil {
		// The client's goroutine has ended with its failure: there is nothing to close.
		p.failures++
		time.AfterFunc(pause(p.failures), func() { p.permit <- struct{}{} })
		p.logger.Debug("event store cannot be reached", "attempts", p.failures, "error", detailOf(err))
		return
	}
	p.failures = 0
	p.since[client] = began
	p.passOn(client)
	p.withheld = len(p.since) >= p.limit
	if !p.withheld {
		p.permit <- struct{}{}
	}
}

// connect makes a client and its first contact. The client takes one attempt at it, bounded by its gossip timeout, and
// no context.
func connect(config kurrentdb.Configuration) (*kurrentdb.Client, error) {
	client, err := kurrentdb.NewClient(&config)
	if err != nil {
		return nil, err
	}
	_, err = client.GetServerVersion()
	return client, err
}

func pause(failures int) time.Duration {
	longest := min(shortestPause<<min(failures-1, 10), longestPause)
	return longest/2 + rand.N(longest/2)
}

// put takes a client back after a call that ended with the client's error err.
func (p *pool) put(client *kurrentdb.Client, err error) {
	if err != nil && errors.Is(sentinelOf(err), ErrUnavailable) {
		p.discard(client)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.passOn(client)
}

// passOn gives a client to whoever waits for one, or keeps it. p.mu is held.
func (p *pool) passOn(client *kurrentdb.Client) {
	if p.closed {
		closeClient(client)
		return
	}
	p.free <- client
}

func (p *pool) discard(client *kurrentdb.Client) {
	p.detach(client)
	closeClient(client)
}

// detach lets go of a client that was lent: it is no longer counted, and its borrower closes it.
func (p *pool) detach(client *kurrentdb.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.since, client)
	if p.withheld {
		p.withheld = false
		p.permit <- struct{}{}
	}
}

// close closes what is free now and the rest as it comes back. p.closing has ended by then.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for client := p.takeFree(); client != nil; client = p.takeFree() {
		closeClient(client)
	}
}

func closeClient(client *kurrentdb.Client) { _ = client.Close() } // it only ever answers nil
