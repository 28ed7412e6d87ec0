package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"orderflow/internal/serverjson"
)

// maxUnlinked is how many events of a category are counted that are not linked yet.
const maxUnlinked = 100_000

// Category compares the log with a category's stream, which the projection $by_category
// fills in the order of the log. It counts the events that are not linked yet. Those that
// the server never links, because their data is not JSON, do not count. A Category reads
// each event at most once, and none that is linked before it looks. It is not safe for
// concurrent use.
type Category struct {
	client  *Client
	name    string
	scanned Position // everything up to here has been visited
	waiting []unlinked
}

// jsonContent is the content type of an event whose data the server takes for JSON.
const jsonContent = "application/json"

// unlinked is an event that was not linked yet when it was visited.
type unlinked struct {
	position Position
	written  time.Time
}

// NewCategory returns a category, such as order, that has not been compared yet.
func (c *Client) NewCategory(name string) *Category { return &Category{client: c, name: name} }

// Waiting returns the events that are not linked yet, up to 100,000. It returns
// ErrAccessDenied without the right to read $all or the category's stream. The latter
// exists, and is open to every user, from the category's first link on.
func (c *Category) Waiting(ctx context.Context) (Pending, error) {
	linked, err := c.lastLinked(ctx)
	if err != nil {
		return Pending{}, err
	}
	c.drop(linked)
	if c.scanned.before(linked) {
		c.scanned = linked
	}
	if err := c.scan(ctx); err != nil {
		return Pending{}, err
	}
	if len(c.waiting) > 0 { // some may have been linked during the scan
		if linked, err = c.lastLinked(ctx); err != nil {
			return Pending{}, err
		}
		c.drop(linked)
	}
	if len(c.waiting) == 0 {
		return Pending{}, nil
	}
	return Pending{Count: len(c.waiting), Oldest: c.waiting[0].written}, nil
}

// drop forgets the events up to a position, which are linked.
func (c *Category) drop(linked Position) {
	c.waiting = slices.DeleteFunc(c.waiting, func(u unlinked) bool { return !linked.before(u.position) })
}

// scan visits the events of the category up to the end of the log.
func (c *Category) scan(ctx context.Context) error {
	if len(c.waiting) >= maxUnlinked {
		return nil
	}
	ctx, cancel := c.client.withDeadline(ctx)
	defer cancel()
	follow := Follow{Prefixes: []string{c.name + "-"}, After: c.scanned}
	err := c.client.follow(ctx, follow.options(), noLimit, func(step Step) bool {
		if e := step.Event; e != nil && (e.ContentType != jsonContent || serverjson.Check(e.Data) == nil) {
			c.waiting = append(c.waiting, unlinked{step.Position, e.Created})
		}
		if step.Position != (Position{}) {
			c.scanned = step.Position
		}
		return !step.CaughtUp && len(c.waiting) < maxUnlinked
	})
	if err != nil {
		return fmt.Errorf("compare category %s with the log: %w", c.name, err)
	}
	return nil
}

// lastLinked returns the position in the log of the event that was linked last, which is
// the zero position if there is none. The projection writes it into the link's metadata.
func (c *Category) lastLinked(ctx context.Context) (Position, error) {
	link, err := c.client.LastEvent(ctx, "$ce-"+c.name)
	if errors.Is(err, ErrNotFound) {
		return Position{}, nil
	}
	if err != nil {
		return Position{}, err
	}
	var cause struct {
		Commit  *uint64 `json:"$c"`
		Prepare *uint64 `json:"$p"`
	}
	if json.Unmarshal(link.Metadata, &cause) != nil || cause.Commit == nil || cause.Prepare == nil {
		return Position{}, fmt.Errorf("read the end of $ce-%s: %w: its link names no position", c.name, ErrInvalid)
	}
	return Position{Commit: *cause.Commit, Prepare: *cause.Prepare}, nil
}

// before reports whether p is an earlier position than q.
func (p Position) before(q Position) bool {
	return p.Commit < q.Commit || p.Commit == q.Commit && p.Prepare < q.Prepare
}
