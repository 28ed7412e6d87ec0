package access

import "encoding/json"

// Groups with a special meaning, and the role that every user has.
const (
	Admins     = "$admins"
	Operations = "$ops"
	Everyone   = "$all"
)

// Right is an operation that a caller may be allowed on a stream.
type Right int

// Rights, in the order of a list's entries.
const (
	Read Right = iota
	Write
	Delete
	MetaRead
	MetaWrite
	rights
)

// rightKeys are the keys of the rights in an access control list.
var rightKeys = map[string]Right{"$r": Read, "$w": Write, "$d": Delete, "$mr": MetaRead, "$mw": MetaWrite}

// List holds, per right, the names of the users and groups that have it. A nil entry
// leaves its right to the next list; an empty one restricts it to administrators.
type List [rights][]string

// only returns a list that grants every right to one role.
func only(role string) List {
	var l List
	for right := range l {
		l[right] = []string{role}
	}
	return l
}

// AdminsOnly returns a list that restricts every right to administrators.
func AdminsOnly() *List {
	list := only(Admins)
	return &list
}

// Defaults are the lists for streams without their own. A nil list leaves every right to
// the server's defaults.
type Defaults struct{ User, System *List }

// ParseSettings returns the defaults set by an event of $settings. It returns none if the
// settings are malformed.
func ParseSettings(body []byte) Defaults {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(body, &fields) != nil {
		return Defaults{}
	}
	d := Defaults{User: ParseList(fields["$userStreamAcl"]), System: ParseList(fields["$systemStreamAcl"])}
	for key, list := range map[string]*List{"$userStreamAcl": d.User, "$systemStreamAcl": d.System} {
		if _, set := fields[key]; set && list == nil {
			return Defaults{}
		}
	}
	return d
}

// ParseList returns nil if body is not an access control list. It ignores unknown
// entries.
func ParseList(body json.RawMessage) *List {
	var entries map[string]json.RawMessage
	if len(body) == 0 || json.Unmarshal(body, &entries) != nil || entries == nil {
		return nil
	}
	list := new(List)
	for key, right := range rightKeys {
		value, set := entries[key]
		if !set {
			continue
		}
		roles, ok := parseRoles(value)
		if !ok {
			return nil
		}
		list[right] = roles
	}
	return list
}

// parseRoles parses a name or an array of names. It reports false for anything else.
func parseRoles(value json.RawMessage) ([]string, bool) {
	var role *string
	if json.Unmarshal(value, &role) == nil && role != nil {
		return []string{*role}, true
	}
	var names []*string
	if json.Unmarshal(value, &names) != nil || names == nil {
		return nil, false
	}
	roles := make([]string, len(names))
	for i, name := range names {
		if name == nil {
			return nil, false
		}
		roles[i] = *name
	}
	return roles, true
}
