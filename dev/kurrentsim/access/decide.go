package access

import (
	"slices"
	"strings"
)

// User is a caller who has shown a valid password. A nil User is the anonymous caller.
type User struct {
	Name   string
	Groups []string
}

// is reports whether the user has a role: it is the user's name, or one of its groups.
func (u *User) is(role string) bool { return u.Name == role || slices.Contains(u.Groups, role) }

// IsAdmin reports whether nothing but a rule for all callers stops the user.
func (u *User) IsAdmin() bool { return u != nil && (u.is(Admins) || u.Name == "admin") }

// IsOperator reports whether the user may run the server: groups, projections.
func (u *User) IsOperator() bool {
	return u.IsAdmin() || u != nil && (u.is(Operations) || u.Name == "ops")
}

// Lists is where the access control lists come from.
type Lists interface {
	// ACL returns the stream's own list, nil when it has none.
	ACL(stream string) *List
	// Defaults returns what $settings sets.
	Defaults() Defaults
}

const (
	allStream        = "$all"
	metastreamPrefix = "$$"
)

// Allows reports whether the user has a right on a stream. A metastream is covered by the rights on its stream's metadata.
// Some things are denied to administrators too: to write to or delete $all, and to delete a metastream.
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
		return role == Everyone || user.is(role)
	})
}

// holders returns who has a right on a stream: the first list that says so counts.
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
