package access

import "encoding/json"

// Groups with a meaning of their own, and the role that every user has.
const (
	Admins     = "$admins"
	Operations = "$ops"
	Everyone   = "$all"
)

// Right is what a caller may do with a stream.
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

// rightKeys are what the rights are called in an access control list.
var rightKeys = map[string]Right{"$r": Read, "$w": Write, "$d": Delete, "$mr": MetaRead, "$mw": MetaWrite}

// List says who has which right: names of users and of groups. A nil entry says nothing about its right; an empty one gives
// it to administrators alone.
type List [rights][]string

// only returns a list that gives every right to one role.
func only(role string) List {
	var l List
	for right := range l {
		l[right] = []string{role}
	}
	return l
}

// AdminsOnly returns the list that leaves every right to administrators.
func AdminsOnly() *List {
	list := only(Admins)
	return &list
}

// Defaults are the lists of streams without their own. A nil list says nothing.
type Defaults struct{ User, System *List }

// ParseSettings returns the defaults that an event of $settings sets. Malformed settings set none.
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

// ParseList returns nil if body is no access control list. Unknown entries are ignored.
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

// parseRoles reads a name or an array of names. It reports false for anything else.
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
