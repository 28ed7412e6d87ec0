package kurrent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// pingStream is read to see whether the server answers. It need not exist.
const pingStream = "orderflow-ping"

// Client is a KurrentDB client whose calls end with their context, whatever the server does, and which needs no restart
// after an outage of any length. It is safe for concurrent use.
type Client struct {
	pool    *pool
	timeout time.Duration
	closing context.Context
	close   func()
}

// Open checks the configuration and never dials: the first call does. Its error is a *config.Error, which says what is
// wrong with the connection string and never quotes a value from it.
func Open(c Config) (*Client, error) {
	settings, err := c.parse()
	if err != nil {
		return nil, err
	}
	closing, closeAll := context.WithCancelCause(context.Background())
	return &Client{
		pool:    newPool(closing, *settings, c.connections(), c.logger()),
		timeout: *settings.DefaultDeadline,
		closing: closing,
		close:   func() { closeAll(ErrClosed) },
	}, nil
}

// Close cuts off the calls and subscriptions that are under way. Later calls give ErrClosed.
func (c *Client) Close() {
	c.close()
	c.pool.close()
}

// Ping asks the server for an answer. Being denied a stream is one; being unknown to the server is ErrAccessDenied.
func (c *Client) Ping(ctx context.Context) error {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		_, _, err := readPage(ctx, client, page{stream: pingStream, count: 1})
		if denied, ok := errors.AsType[*kurrentdb.Error](err); ok && denied.Code() == kurrentdb.ErrorCodeAccessDenied {
			return nil
		}
		return err
	})
	if err == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleted) {
		return nil
	}
	return fmt.Errorf("ping: %w", err)
}

// operation is what is done with a client while it is lent.
type operation func(context.Context, *kurrentdb.Client) error

// call lends operation a client of its own for as long as ctx and the call timeout allow, and translates its error.
func (c *Client) call(ctx context.Context, operation operation) error {
	return c.callOn(ctx, c.pool.get, operation)
}

// callLeader is call on a connection made for it, so to the node that leads now. Every call asks for the leading node, but
// one that led until a moment ago, and cannot know it yet, still answers on the connections it has.
func (c *Client) callLeader(ctx context.Context, operation operation) error {
	return c.callOn(ctx, c.pool.getNew, operation)
}

func (c *Client) callOn(ctx context.Context, lend func(context.Context) (*kurrentdb.Client, error), operation operation) error {
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	client, err := lend(ctx)
	if err != nil {
		return err
	}
	err = onLeader(func() error { return guarded(ctx, client, operation) })
	c.pool.put(client, err)
	return translate(ctx, err)
}

// onLeader makes a request again that met a node which does not lead, and so was not carried out. The client is on its way
// to the leading node by then, and the request waits for it no longer than its context.
func onLeader(request func() error) error {
	err := request()
	if isNotLeader(err) {
		err = request()
	}
	return err
}

// subscribeToAll is the client's, from the leading node.
func subscribeToAll(
	ctx context.Context, client *kurrentdb.Client, options kurrentdb.SubscribeToAllOptions,
) (s *kurrentdb.Subscription, err error) {
	err = onLeader(func() error {
		s, err = client.SubscribeToAll(ctx, options)
		return err
	})
	return s, err
}

// bounded gives a call its deadline, and ends it when the client is closed.
func (c *Client) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(c.closing, func() { cancel(ErrClosed) })
	ctx, end := context.WithTimeout(ctx, c.timeout)
	return ctx, func() {
		stop()
		end()
		cancel(nil)
	}
}

// guarded makes an error of the panics the client answers a message with that it does not expect.
func guarded(ctx context.Context, client *kurrentdb.Client, operation operation) (err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("client panicked: %v", reason)
		}
	}()
	return operation(ctx, client)
}
