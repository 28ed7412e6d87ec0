package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// pingStream is read to see whether the server responds. It need not exist.
const pingStream = "orderflow-ping"

// Client is a KurrentDB client whose calls end with their context, whatever the server
// does. It recovers from an outage of any length without a restart. It is safe for
// concurrent use.
type Client struct {
	pool    *pool
	counts  *counts
	timeout time.Duration
	closing context.Context
	close   func()
}

// Open checks the configuration and never dials: the first call does. It returns a
// *config.Error that says what is wrong with the connection string and never quotes a
// value from it.
func Open(c Config) (*Client, error) {
	settings, err := c.parse()
	if err != nil {
		return nil, err
	}
	closing, closeAll := context.WithCancelCause(context.Background())
	counted := &counts{}
	return &Client{
		pool:    newPool(closing, *settings, newRenewal(c, *settings), c.connections(), c.logger(), counted),
		counts:  counted,
		timeout: *settings.DefaultDeadline,
		closing: closing,
		close:   func() { closeAll(ErrClosed) },
	}, nil
}

// Close aborts calls and subscriptions in progress. Later calls return ErrClosed.
func (c *Client) Close() {
	c.close()
	c.pool.close()
}

// Ping checks that the server responds. A server that denies access to the stream has
// responded. Ping returns ErrAccessDenied if the server does not know the user.
func (c *Client) Ping(ctx context.Context) error {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		_, _, err := readPage(ctx, client, page{stream: pingStream, count: 1})
		if denied, ok := errors.AsType[*kurrentdb.Error](err); ok && denied.Code() == kurrentdb.ErrorCodeAccessDenied {
			return nil
		}
		return err
	})
	if err == nil || IsGone(err) {
		return nil
	}
	return fmt.Errorf("ping: %w", err)
}

// operation is a function that uses a borrowed client.
type operation func(context.Context, *kurrentdb.Client) error

// call runs operation with a client of its own, bounded by ctx and the call timeout, and
// translates its error.
func (c *Client) call(ctx context.Context, operation operation) error {
	return c.callOn(ctx, c.pool.get, operation)
}

// callLeader is like call, but uses a new connection, and so the node that leads now.
// Every call asks for the leading node, but a node that led until a moment ago and does
// not know yet still responds on its existing connections.
func (c *Client) callLeader(ctx context.Context, operation operation) error {
	return c.callOn(ctx, c.pool.getNew, operation)
}

func (c *Client) callOn(
	ctx context.Context, borrow func(context.Context) (*kurrentdb.Client, error), operation operation,
) (err error) {
	defer func() { c.counts.count(err) }()
	ctx, cancel := c.withDeadline(ctx)
	defer cancel()
	client, err := borrow(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	err = onLeader(func() error { return recoverPanics(ctx, client, operation) })
	c.pool.put(client, began, err)
	return translate(ctx, err)
}

// callOnStream makes a call about one stream, and finds out what a refusal without a
// reason means. A header holds only ASCII, and the server reports a deleted stream by
// putting its name into one. With any other name the refusal is a bare HTTP 500, the same
// as from a broken server.
func (c *Client) callOnStream(ctx context.Context, stream string, call caller, operation operation) error {
	err := call(ctx, operation)
	if !errors.Is(err, errNoReason) || fitsHeader(stream) || !c.refusesOnlyStream(ctx, stream) {
		return err
	}
	return fmt.Errorf("%w: the server responds, but not for this stream", ErrDeleted)
}

// caller is Client.call or Client.callLeader.
type caller func(context.Context, operation) error

// refusesOnlyStream reports whether the server refuses to read this stream without a
// reason, and responds otherwise.
func (c *Client) refusesOnlyStream(ctx context.Context, stream string) bool {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		_, _, err := readPage(ctx, client, page{stream: stream, count: 1})
		return err
	})
	return errors.Is(err, errNoReason) && c.Ping(ctx) == nil
}

func fitsHeader(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}

// onLeader repeats a request that reached a node which does not lead, and so was not
// carried out. By then the client is connecting to the leading node, and the request
// waits for it no longer than its context allows.
func onLeader(request func() error) error {
	err := request()
	if isNotLeader(err) {
		err = request()
	}
	return err
}

// subscribeToAll subscribes to $all on the leading node.
func subscribeToAll(
	ctx context.Context, client *kurrentdb.Client, options kurrentdb.SubscribeToAllOptions,
) (s *kurrentdb.Subscription, err error) {
	err = onLeader(func() error {
		s, err = client.SubscribeToAll(ctx, options)
		return err
	})
	return s, err
}

// withDeadline bounds a call by the call timeout, and cancels it when the client is
// closed.
func (c *Client) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closing, func() { cancel(ErrClosed) })
	ctx, end := context.WithTimeout(ctx, c.timeout)
	return ctx, func() {
		stop()
		end()
		cancel(nil)
	}
}

// recoverPanics turns a panic of the client into an error. The client panics on messages
// that it does not expect.
func recoverPanics(ctx context.Context, client *kurrentdb.Client, operation operation) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("client panicked: %v", reason)
		}
	}()
	return operation(ctx, client)
}
