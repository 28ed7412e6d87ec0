package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// callAbout makes a call that is about one stream, and finds out what a server meant that could not say it: a header holds
// ASCII alone, and the server puts the name of a deleted stream into one. With another name the refusal is a bare HTTP 500,
// as that of a broken server is.
func (c *Client) callAbout(ctx context.Context, stream string, call caller, operation operation) error {
	err := call(ctx, operation)
	if !errors.Is(err, errUnspoken) || fitsHeader(stream) || !c.refusesOnly(ctx, stream) {
		return err
	}
	return fmt.Errorf("%w: the server answers, but not about this stream", ErrDeleted)
}

// caller is Client.call or Client.callLeader.
type caller func(context.Context, operation) error

// refusesOnly reports whether the server refuses to read this stream without a reason, and answers otherwise.
func (c *Client) refusesOnly(ctx context.Context, stream string) bool {
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		_, _, err := readPage(ctx, client, page{stream: stream, count: 1})
		return err
	})
	return errors.Is(err, errUnspoken) && c.Ping(ctx) == nil
}

func fitsHeader(name string) bool {
	return strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
}
