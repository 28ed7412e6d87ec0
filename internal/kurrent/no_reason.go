package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

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
