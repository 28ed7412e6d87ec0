package access

import (
	"slices"
	"strings"
)

// User is a caller who presented a valid password. A nil User is the anonymous caller.
type User struct {
	Name   string
	Groups []string
}

// hasRole reports whether the user has a role: role is the user's name or one of its
// groups.
func (u *User) hasRole(role string) bool { return u.Name == role || slices.Contains(u.Groups, role) }

// IsAdmin reports whether only the rules that apply to all callers restrict the user.
func (u *User) IsAdmin() bool { return u != nil && (u.hasRole(Admins) || u.Name == "admin") }

// IsOperator reports whether the user may operate the server: groups, projections.
func (u *User) IsOperator() bool {
	return u.IsAdmin() || u != nil && (u.hasRole(Operations) || u.Name == "ops")
}

// Lists is the source of the access control lists.
type Lists interface {
	// ACL returns the stream's own list, or nil if it has none.
	ACL(stream string) *List
	// Defaults returns the lists set in $settings.
	Defaults() Defaults
}

const (
	allStream        = "$all"
	metastreamPrefix = "$$"
)

// Allows reports whether the user has a right on a stream. A metastream is covered by the
// rights on its stream's metadata. Some operations are denied to administrators too:
// writing to or deleting $all, and deleting a metastream.
func Allows(lists Lists, user *User, right Right, stream string) bool {
	if user == nil {
		return false
	}
	if stream == "" {
		stream = allStream
	}
	if stream == allStream && (right == Write || right == Delete) {
		return false
	}
	if original, ok := strings.CutPrefix(stream, metastreamPrefix); ok {
		switch right {
		case Read:
			right = MetaRead
		case Write:
			right = MetaWrite
		default:
			return false
		}
		stream = original
	}
	if user.IsAdmin() {
		return true
	}
	return slices.ContainsFunc(holders(lists, right, stream), func(role string) bool {
		return role == Everyone || user.hasRole(role)
	})
}

// holders returns the roles that have a right on a stream, from the first list that has
// an entry for the right.
func holders(lists Lists, right Right, stream string) []string {
	settings, own := lists.Defaults(), lists.ACL(stream)
	set, server := settings.User, only(Everyone)
	if strings.HasPrefix(stream, "$") {
		set, server = settings.System, only(Admins)
	}
	for _, list := range []*List{own, set, &server} {
		if list != nil && list[right] != nil {
			return list[right]
		}
	}
	return nil
}
