package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

// The entries of $settings: the rights on streams without a list of their own.
const (
	userStreamDefaults   = "$userStreamAcl"
	systemStreamDefaults = "$systemStreamAcl"
)

// DefaultRights names, for each right, the users and groups that need it on every stream
// that is not a system stream.
type DefaultRights map[Right][]string

// DefaultsChange is what RestrictUserStreams changed in $settings.
type DefaultsChange struct {
	Restricted []Right            // rights that no entry mentioned, so that every user had them
	Added      map[Right][]string // who was added to an entry that existed
	Open       []Right            // rights that an entry grants to every user: left unchanged
	Wanted     json.RawMessage    // the whole event, with Open restricted too
}

// Changed reports whether $settings was changed.
func (d DefaultsChange) Changed() bool { return len(d.Restricted)+len(d.Added) > 0 }

// RestrictUserStreams grants users their rights on all streams that are not system streams
// and have no access control list of their own, and takes each right that no entry of
// $settings mentions from all other users but administrators. What another writer put
// into $settings is kept, also an entry that grants a right to every user. A second call
// changes nothing. The caller must be an administrator. It returns ErrMalformed if the
// server cannot read the present settings.
func (c *Client) RestrictUserStreams(ctx context.Context, users DefaultRights) (DefaultsChange, error) {
	return c.restrictUserStreams(ctx, users, true)
}

// MissingDefaults returns what RestrictUserStreams would change, and changes nothing.
func (c *Client) MissingDefaults(ctx context.Context, users DefaultRights) (DefaultsChange, error) {
	return c.restrictUserStreams(ctx, users, false)
}

func (c *Client) restrictUserStreams(ctx context.Context, users DefaultRights, write bool) (DefaultsChange, error) {
	for range grantAttempts {
		change, err := c.tryRestrict(ctx, users, write)
		if !errors.Is(err, ErrWrongRevision) {
			return change, err
		}
	}
	return DefaultsChange{}, fmt.Errorf("%w: other writers keep changing %s", ErrWrongRevision, settingsStream)
}

func (c *Client) tryRestrict(ctx context.Context, users DefaultRights, write bool) (DefaultsChange, error) {
	newest, err := c.readSettings(ctx)
	if err != nil {
		return DefaultsChange{}, err
	}
	list := readList(newest.fields[userStreamDefaults])
	change, err := list.restrict(users)
	if err != nil {
		return DefaultsChange{}, err
	}
	if newest.fields[userStreamDefaults], err = json.Marshal(list); err != nil {
		return DefaultsChange{}, err
	}
	body, err := json.Marshal(newest.fields)
	if err != nil {
		return DefaultsChange{}, err
	}
	if write && change.Changed() {
		if _, err = c.Append(ctx, settingsStream, newest.at, NewEvent{ID: uuid.New(), Type: settingsStream, Data: body}); err != nil {
			return DefaultsChange{}, fmt.Errorf("write %s: %w", settingsStream, err)
		}
	}
	for _, right := range change.Open {
		delete(list, string(right))
	}
	if _, err = list.restrict(users); err != nil {
		return DefaultsChange{}, err
	}
	if newest.fields[userStreamDefaults], err = json.Marshal(list); err != nil {
		return DefaultsChange{}, err
	}
	change.Wanted, err = json.Marshal(newest.fields)
	return change, err
}

// readSettings reads the newest event of $settings. It returns ErrMalformed if the server
// cannot read one of its lists, and therefore ignores both.
func (c *Client) readSettings(ctx context.Context) (object, error) {
	newest, err := c.newestObject(ctx, settingsStream)
	if err != nil {
		return object{}, err
	}
	for _, key := range []string{userStreamDefaults, systemStreamDefaults} {
		if body, ok := newest.fields[key]; ok && !isAccessList(body) {
			return object{}, fmt.Errorf("%s: %w: %s is not an access list", settingsStream, ErrMalformed, key)
		}
	}
	return newest, nil
}

// restrict adds users to the entries of the list, and an entry for each right that has
// none.
func (l accessList) restrict(users DefaultRights) (change DefaultsChange, err error) {
	for _, right := range []Right{RightRead, RightWrite, RightDelete, RightMetaRead, RightMetaWrite} {
		holders, listed := l.holders(right)
		if slices.Contains(holders, everyone) {
			change.Open = append(change.Open, right)
			continue
		}
		if !listed {
			holders = []string{administrators}
			change.Restricted = append(change.Restricted, right)
		}
		var added []string
		for _, user := range users[right] {
			if !slices.Contains(holders, user) && !slices.Contains(added, user) {
				added = append(added, user)
			}
		}
		if listed && len(added) == 0 {
			continue
		}
		if l[string(right)], err = json.Marshal(append(slices.Clone(holders), added...)); err != nil {
			return DefaultsChange{}, err
		}
		if listed {
			if change.Added == nil {
				change.Added = map[Right][]string{}
			}
			change.Added[right] = added
		}
	}
	return change, nil
}
