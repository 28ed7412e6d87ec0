package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// CloseProjected takes the right to read a stream from every user, if the stream's own list
// gives it to all, and leaves it to administrators, to users and to those that the list
// names. A system projection opens its streams in this way with their first event. The
// server does not check who may read the event that a link leads to, so a stream of links
// opens the events of other streams, and a user who may read it may join its groups.
//
// CloseProjected reports whether it changed the list. All its other entries are kept. A
// projection that is reset opens the stream again. The caller must be an administrator.
func (c *Client) CloseProjected(ctx context.Context, stream string, users []string) (closed bool, err error) {
	return c.closeProjected(ctx, stream, users, c.writeMetadata)
}

// OpenProjected reports whether CloseProjected would change the list, and changes nothing.
func (c *Client) OpenProjected(ctx context.Context, stream string, users []string) (open bool, err error) {
	return c.closeProjected(ctx, stream, users, writeNothing)
}

func (c *Client) closeProjected(ctx context.Context, stream string, users []string, write metadataWriter) (closed bool, err error) {
	for range grantAttempts {
		if closed, err = c.tryClose(ctx, stream, users, write); !errors.Is(err, ErrWrongRevision) {
			break
		}
	}
	if err != nil {
		return false, fmt.Errorf("close %s: %w", stream, err)
	}
	return closed, nil
}

func (c *Client) tryClose(ctx context.Context, stream string, users []string, write metadataWriter) (closed bool, err error) {
	newest, err := c.readMetadata(ctx, stream)
	if err != nil {
		return false, err
	}
	list := readList(newest.fields[aclKey])
	holders, _ := list.holders(RightRead)
	if !slices.Contains(holders, everyone) {
		return false, nil
	}
	readers := []string{administrators}
	for _, user := range slices.Concat(holders, users) {
		if user != everyone && !slices.Contains(readers, user) {
			readers = append(readers, user)
		}
	}
	if list[string(RightRead)], err = json.Marshal(readers); err != nil {
		return false, err
	}
	if newest.fields[aclKey], err = json.Marshal(list); err != nil {
		return false, err
	}
	_, err = write(ctx, stream, newest.at, newest.fields)
	return err == nil, err
}
