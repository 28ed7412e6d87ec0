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

// Rights on a stream.
const (
	RightRead      Right = "$r"
	RightWrite     Right = "$w"
	RightDelete    Right = "$d"
	RightMetaRead  Right = "$mr"
	RightMetaWrite Right = "$mw"
)

// grantAttempts bounds how often a list is read again because another writer changed it.
const grantAttempts = 5

const (
	everyone       = "$all"
	administrators = "$admins"
	aclKey         = "$acl"
	settingsStream = "$settings"
)

// Grant is what a user was granted on a stream.
type Grant struct {
	Stream string
	Rights []Right // the rights that were missing; none if the user had them all
}

// metadataWriter replaces a stream's metadata. writeMetadata is one.
type metadataWriter func(ctx context.Context, stream string, at Expected, fields map[string]json.RawMessage) (uint64, error)

// GrantGroup grants a user, or all users in a group of that name, what is needed to join
// a persistent subscription's group and to list and drop its parked events: read on the
// group's stream and on the parked stream, and both rights on the metadata of the latter.
// All other entries of the lists are kept, and existing rights are not written again. A
// right that a list leaves to the defaults keeps its holders. The caller must be an
// administrator. It returns ErrReplaying if a right is missing while the group's parked
// events are being replayed, because the end of the replay would remove the grant.
func (c *Client) GrantGroup(ctx context.Context, stream, group, user string) ([]Grant, error) {
	return c.grantGroup(ctx, stream, group, user, c.writeMetadata)
}

// MissingGrants returns what GrantGroup would grant, and changes nothing.
func (c *Client) MissingGrants(ctx context.Context, stream, group, user string) ([]Grant, error) {
	return c.grantGroup(ctx, stream, group, user, writeNothing)
}

// GrantReadAll grants a user, or all users in a group of that name, the right to read
// $all, as GrantGroup does on other streams.
func (c *Client) GrantReadAll(ctx context.Context, user string) (Grant, error) {
	return c.grant(ctx, Grant{All, []Right{RightRead}}, user, c.writeMetadata)
}

// MissingReadAll returns what GrantReadAll would grant, and changes nothing.
func (c *Client) MissingReadAll(ctx context.Context, user string) (Grant, error) {
	return c.grant(ctx, Grant{All, []Right{RightRead}}, user, writeNothing)
}

func writeNothing(context.Context, string, Expected, map[string]json.RawMessage) (uint64, error) {
	return 0, nil
}

func (c *Client) grantGroup(ctx context.Context, stream, group, user string, write metadataWriter) ([]Grant, error) {
	var grants []Grant
	for _, wanted := range []Grant{
		{stream, []Right{RightRead}},
		{parkedStream(stream, group), []Right{RightRead, RightMetaRead, RightMetaWrite}},
	} {
		granted, err := c.grant(ctx, wanted, user, write)
		if err != nil {
			return grants, err
		}
		grants = append(grants, granted)
	}
	return grants, nil
}

func (c *Client) grant(ctx context.Context, wanted Grant, user string, write metadataWriter) (Grant, error) {
	granted, err := c.grantMissing(ctx, wanted, user, write)
	if err != nil {
		return Grant{}, fmt.Errorf("grant %s on %s: %w", user, wanted.Stream, err)
	}
	return granted, nil
}

func (c *Client) grantMissing(ctx context.Context, wanted Grant, user string, write metadataWriter) (Grant, error) {
	defaults, err := c.defaultList(ctx, wanted.Stream)
	for range grantAttempts {
		if err != nil {
			return Grant{}, err
		}
		var granted Grant
		if granted, err = c.tryGrant(ctx, wanted, user, defaults, write); !errors.Is(err, ErrWrongRevision) {
			return granted, err
		}
		err = nil
	}
	return Grant{}, fmt.Errorf("%w: other writers keep changing its metadata", ErrWrongRevision)
}

func (c *Client) tryGrant(
	ctx context.Context, wanted Grant, user string, defaults accessList, write metadataWriter,
) (Grant, error) {
	newest, err := c.readMetadata(ctx, wanted.Stream)
	if err != nil {
		return Grant{}, err
	}
	granted := Grant{Stream: wanted.Stream}
	list := readList(newest.fields[aclKey])
	if granted.Rights, err = list.add(user, wanted.Rights, defaults); err != nil || len(granted.Rights) == 0 {
		return granted, err
	}
	if newest.boundary().replaying() { // the end of the replay replaces the metadata
		return Grant{}, ErrReplaying
	}
	delete(newest.fields, replayClaim) // otherwise the write would renew it
	if newest.fields[aclKey], err = json.Marshal(list); err != nil {
		return Grant{}, err
	}
	_, err = write(ctx, wanted.Stream, newest.at, newest.fields)
	return granted, err
}

// defaultList returns the holders of each right that a stream's own list does not
// mention.
func (c *Client) defaultList(ctx context.Context, stream string) (accessList, error) {
	settings, err := c.newestObject(ctx, settingsStream)
	if err != nil {
		return nil, err
	}
	key, serverDefault := userStreamDefaults, everyone
	if strings.HasPrefix(stream, "$") {
		key, serverDefault = systemStreamDefaults, administrators
	}
	list := readList(settings.fields[key])
	for _, right := range []Right{RightRead, RightWrite, RightDelete, RightMetaRead, RightMetaWrite} {
		if _, set := list.holders(right); !set {
			list[string(right)], _ = json.Marshal(serverDefault) // a string always marshals
		}
	}
	return list, nil
}

// accessList is an access control list with all its entries, including those that are
// unknown here.
type accessList map[string]json.RawMessage

func readList(body json.RawMessage) accessList {
	list := accessList{}
	if json.Unmarshal(body, &list) != nil || list == nil {
		return accessList{}
	}
	return list
}

// add adds a user to the holders of those rights that it lacks, and returns them. A right
// that the list does not mention has the holders that the defaults name.
func (l accessList) add(user string, rights []Right, defaults accessList) (added []Right, err error) {
	for _, right := range rights {
		holders, listed := l.holders(right)
		if !listed {
			holders, _ = defaults.holders(right)
		}
		if slices.Contains(holders, user) || slices.Contains(holders, everyone) {
			continue
		}
		if l[string(right)], err = json.Marshal(append(slices.Clone(holders), user)); err != nil {
			return nil, err
		}
		added = append(added, right)
	}
	return added, nil
}

// holders returns who holds a right according to the list. It reports false if the list
// does not mention the right.
func (l accessList) holders(right Right) ([]string, bool) {
	body, ok := l[string(right)]
	if !ok {
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
