package kurrent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/backoff"
)

// defaultConnections is how many calls can be in progress at once. More wait for one to
// end. A call takes a millisecond or two, so that allows thousands a second.
const defaultConnections = 16

// connectBackoff is the backoff after a failed attempt to connect. A server that is back
// is found within its Max.
var connectBackoff = backoff.Exponential{Min: 50 * time.Millisecond, Max: time.Second}

// errLeaderGone is why a call waits in vain for a connection after a pause.
var errLeaderGone = errors.New("the node that leads according to a follower does not respond")

// pool lends connected clients, each to one call at a time. The client (v1.4.2) makes
// that necessary:
//
//   - A client is useless after its search for the server fails, and the search takes no
//     context. So a goroutine connects, with a single attempt of bounded length, and the
//     client is lent only afterward. A caller can give up at any moment, and there is
//     never more than one attempt in progress.
//   - A failed call reports to the client and then waits for it without a context while
//     it searches. Without a second caller it does not search at that point.
//   - A client that has to search again leaks its old connection. So it is returned to
//     the pool only after the server has responded. After anything else, such as a
//     timeout or a lost connection, it is closed.
//   - A client stays with its node. If a node of a cluster is gone, each client that is
//     connected to it would fail one more call, and with a machine that is gone only at
//     that call's deadline. So the idle ones are closed too, and the next call searches
//     for the node that leads now.
//   - A client that a follower sends to a node which does not respond drops that
//     connection without closing it, and nothing else can. gRPC retries it for half an
//     hour. A call may cost two. So after a call that found no leading node in this way,
//     the pool connects again only after a pause.
//
// While lent, a client changes its connection only to move to the leading node: see
// onLeader.
type pool struct {
	renewal *renewal // nil if the settings never change
	logger  *slog.Logger
	counts  *counts
	closing context.Context // ends when the pool is closed

	idle   chan *kurrentdb.Client // connected and not lent; has room for all
	permit chan struct{}          // its one token permits connecting one more client

	mu       sync.Mutex
	config   kurrentdb.Configuration
	renewed  time.Time // when config last changed: older clients are closed
	closed   bool
	limit    int
	dialed   map[*kurrentdb.Client]time.Time // clients that are lent or idle, and when each began to connect
	withheld bool                            // the token is held back until a client is closed: there are limit of them
	failures int                             // failed attempts to connect since the last success
	astray   int                             // calls sent to a leading node that does not respond, since the last response
	lastErr  error                           // of the last attempt; nil if it succeeded
}

func newPool(closing context.Context, config kurrentdb.Configuration, renewal *renewal, limit int, logger *slog.Logger, counted *counts) *pool {
	p := &pool{
		config: config, renewal: renewal, logger: logger, counts: counted, closing: closing, limit: limit, dialed: map[*kurrentdb.Client]time.Time{},
		idle: make(chan *kurrentdb.Client, limit), permit: make(chan struct{}, 1),
	}
	p.permit <- struct{}{}
	return p
}

// get lends a connected client, or returns ErrUnavailable if ctx ends first. The caller
// must return it with put or detach.
func (p *pool) get(ctx context.Context) (*kurrentdb.Client, error) {
	p.renew()
	for {
		if client := p.takeIdle(); client != nil { // rather than open one more
			return client, nil
		}
		select {
		case <-p.closing.Done():
			return nil, ErrClosed
		case <-ctx.Done():
			return nil, p.unreachable(ctx)
		case client := <-p.idle:
			return client, nil
		case <-p.permit:
			go p.connect()
		}
	}
}

// getNew is like get, but the client began to connect after the call, so it has searched
// for the leading node since. Older clients it is given are closed, because what one of
// them returned is in doubt.
func (p *pool) getNew(ctx context.Context) (*kurrentdb.Client, error) {
	called := time.Now()
	for {
		client, err := p.get(ctx)
		if err != nil || p.dialTime(client).After(called) {
			return client, err
		}
		p.discard(client)
	}
}

func (p *pool) dialTime(client *kurrentdb.Client) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialed[client]
}

func (p *pool) takeIdle() *kurrentdb.Client {
	select {
	case client := <-p.idle:
		return client
	default:
		return nil
	}
}

// unreachable returns why nothing could be lent, with the error of the last attempt.
func (p *pool) unreachable(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lastErr == nil {
		return fmt.Errorf("%w: no connection: %w", ErrUnavailable, context.Cause(ctx))
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, detailOf(p.lastErr), context.Cause(ctx))
}

// connect uses the token to connect one more client, then releases both.
func (p *pool) connect() {
	p.renew() // the caller may have waited for long
	began := time.Now()
	client, err := connect(p.settings())
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = err
	if err != nil {
		// The client's goroutine ended when it failed, so there is nothing to close.
		time.AfterFunc(connectBackoff.Delay(p.failures), func() { p.permit <- struct{}{} })
		p.failures++
		p.counts.connectFailures.Add(1)
		p.logger.Debug("connecting to the event store failed", "attempts", p.failures, "error", detailOf(err))
		return
	}
	p.failures = 0
	p.dialed[client] = began
	p.release(client)
	p.withheld = len(p.dialed) >= p.limit
	if !p.withheld {
		p.permit <- struct{}{}
	}
}

// settings returns what to connect a client with.
func (p *pool) settings() kurrentdb.Configuration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.config
}

// renew replaces the clients if the credentials have changed: the idle ones now, and the
// lent ones as they are returned.
func (p *pool) renew() {
	config, changed := p.renewal.next()
	if !changed {
		return
	}
	p.mu.Lock()
	p.config, p.renewed = config, time.Now()
	at := p.renewed
	p.mu.Unlock()
	p.logger.Info("credentials for the event store changed, connecting again")
	p.discardIdle(at)
}

// connect returns a client that has contacted the server. The attempt is bounded by the
// client's gossip timeout, and takes no context.
func connect(config kurrentdb.Configuration) (*kurrentdb.Client, error) {
	client, err := kurrentdb.NewClient(&config)
	if err != nil {
		return nil, err
	}
	_, err = client.GetServerVersion()
	return client, err
}

// put takes back a client after a call that began at a time and returned err, as the
// client returned it.
func (p *pool) put(client *kurrentdb.Client, began time.Time, err error) {
	if err != nil && errors.Is(sentinelOf(err), ErrUnavailable) {
		p.discard(client)
		if isNotLeader(err) {
			p.pause()
		}
		if !isCanceled(err) && !errors.Is(sentinelOf(err), errNoReason) {
			p.discardIdle(began)
		}
		return
	}
	p.mu.Lock()
	p.astray = 0
	outdated := p.dialed[client].Before(p.renewed)
	if !outdated {
		p.release(client)
	}
	p.mu.Unlock()
	if outdated {
		p.discard(client)
	}
}

// pause holds back the token for a while, unless it is in use.
func (p *pool) pause() {
	select {
	case <-p.permit:
	default:
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastErr = errLeaderGone
	time.AfterFunc(connectBackoff.Delay(p.astray), func() { p.permit <- struct{}{} })
	p.astray++
}

// release makes a client idle, or closes it if the pool is closed. p.mu must be held.
func (p *pool) release(client *kurrentdb.Client) {
	if p.closed {
		closeClient(client)
		return
	}
	p.idle <- client
}

// discardIdle closes the idle clients that began to connect before a call that had no
// response: they may be connected to the same node. Later ones found their node during
// the call.
func (p *pool) discardIdle(began time.Time) {
	for range len(p.idle) {
		client := p.takeIdle()
		if client == nil {
			return
		}
		if p.dialTime(client).Before(began) {
			p.discard(client)
			continue
		}
		p.mu.Lock()
		p.release(client)
		p.mu.Unlock()
	}
}

func (p *pool) discard(client *kurrentdb.Client) {
	p.detach(client)
	closeClient(client)
}

// detach removes a lent client from the pool. It no longer counts toward the limit, and
// its borrower must close it.
func (p *pool) detach(client *kurrentdb.Client) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.dialed, client)
	if p.withheld {
		p.withheld = false
		p.permit <- struct{}{}
	}
}

// close closes the idle clients now and the lent ones as they are returned. p.closing
// must have ended.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for client := p.takeIdle(); client != nil; client = p.takeIdle() {
		closeClient(client)
	}
}

func closeClient(client *kurrentdb.Client) { _ = client.Close() } // always nil
