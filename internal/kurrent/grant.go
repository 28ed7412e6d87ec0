package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Right is an entry of a stream's access control list.
type Right string

// Rights that GrantGroup gives.
const (
	RightRead      Right = "$r"
	RightMetaRead  Right = "$mr"
	RightMetaWrite Right = "$mw"
)

// grantAttempts bounds how often a list is read again because another writer changed it meanwhile.
const grantAttempts = 5

const (
	everyone       = "$all"
	administrators = "$admins"
	aclKey         = "$acl"
	settingsStream = "$settings"
)

// Grant says what a user was given on a stream.
type Grant struct {
	Stream string
	Rights []Right // those that were missing; none if the user had them all
}

// GrantGroup gives a user, or all users in a group of that name, what it takes to join a persistent subscription's group
// and to list and drop what it has parked: read on the group's stream and on the parked stream, and both rights on the
// metadata of the latter. Everything else in the lists stays, and what the user has already is not written again. A right
// that a list leaves to the defaults keeps its holders. The caller must be an administrator. It returns ErrReplaying while the
// group's parked events are being replayed: the end of the replay would take the grant away.
func (c *Client) GrantGroup(ctx context.Context, stream, group, user string) ([]Grant, error) {
	var grants []Grant
	for _, wanted := range []Grant{
		{stream, []Right{RightRead}},
		{parkedStream(stream, group), []Right{RightRead, RightMetaRead, RightMetaWrite}},
	} {
		given, err := c.grant(ctx, wanted, user)
		if err != nil {
			return grants, fmt.Errorf("grant %s on %s: %w", user, wanted.Stream, err)
		}
		grants = append(grants, given)
	}
	return grants, nil
}

func (c *Client) grant(ctx context.Context, wanted Grant, user string) (Grant, error) {
	defaults, err := c.defaultList(ctx, wanted.Stream)
	for range grantAttempts {
		if err != nil {
			return Grant{}, err
		}
		var given Grant
		if given, err = c.tryGrant(ctx, wanted, user, defaults); !errors.Is(err, ErrWrongRevision) {
			return given, err
		}
		err = nil
	}
	return Grant{}, fmt.Errorf("%w: other writers keep changing its metadata", ErrWrongRevision)
}

func (c *Client) tryGrant(ctx context.Context, wanted Grant, user string, defaults accessList) (Grant, error) {
	newest, err := c.readMetadata(ctx, wanted.Stream)
	if err != nil {
		return Grant{}, err
	}
	if newest.boundary().replaying() { // its end replaces the metadata
		return Grant{}, ErrReplaying
	}
	delete(newest.fields, replayClaim) // else the write would renew it
	list := readList(newest.fields[aclKey])
	given := Grant{Stream: wanted.Stream}
	for _, right := range wanted.Rights {
		holders, own := list.holders(right)
		if !own {
			holders, _ = defaults.holders(right)
		}
		if slices.Contains(holders, user) || slices.Contains(holders, everyone) {
			continue
		}
		encoded, err := json.Marshal(append(slices.Clone(holders), user))
		if err != nil {
			return Grant{}, err
		}
		list[string(right)] = encoded
		given.Rights = append(given.Rights, right)
	}
	if len(given.Rights) == 0 {
		return given, nil
	}
	if newest.fields[aclKey], err = json.Marshal(list); err != nil {
		return Grant{}, err
	}
	_, err = c.writeMetadata(ctx, wanted.Stream, newest.at, newest.fields)
	return given, err
}

// defaultList returns who has rights on a stream that its own list says nothing about.
func (c *Client) defaultList(ctx context.Context, stream string) (accessList, error) {
	settings, err := c.newestObject(ctx, settingsStream)
	if err != nil {
		return nil, err
	}
	key, server := "$userStreamAcl", everyone
	if strings.HasPrefix(stream, "$") {
		key, server = "$systemStreamAcl", administrators
	}
	list := readList(settings.fields[key])
	for _, right := range []Right{RightRead, RightMetaRead, RightMetaWrite} {
		if _, set := list.holders(right); !set {
			list[string(right)], _ = json.Marshal(server) // a string marshals
		}
	}
	return list, nil
}

// accessList is an access control list with all its entries, those unknown here too.
type accessList map[string]json.RawMessage

func readList(body json.RawMessage) accessList {
	list := accessList{}
	if json.Unmarshal(body, &list) != nil || list == nil {
		return accessList{}
	}
	return list
}

// holders returns who the list says has a right. It reports false if the list says nothing about it.
func (l accessList) holders(right Right) ([]string, bool) {
	body, set := l[string(right)]
	if !set {
		return nil, false
	}
	var several []string
	if json.Unmarshal(body, &several) == nil && several != nil {
		return several, true
	}
	var one *string
	if json.Unmarshal(body, &one) == nil && one != nil {
		return []string{*one}, true
	}
	return nil, false
}
