package access_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/metadata"
)

// lists holds access control lists as a log would.
type lists struct {
	settings string
	metadata map[string]string
}

func (l lists) ACL(stream string) *access.List {
	return metadata.Parse([]byte(l.metadata[stream])).ACL
}
func (l lists) Defaults() access.Defaults { return access.ParseSettings([]byte(l.settings)) }

var (
	admin  = &access.User{Name: "admin"}
	member = &access.User{Name: "eve", Groups: []string{access.Admins}}
	ops    = &access.User{Name: "ops", Groups: []string{access.Operations}}
	plain  = &access.User{Name: "plain"}
	clerk  = &access.User{Name: "carla", Groups: []string{"clerks"}}
)

func TestAllows(t *testing.T) {
	t.Parallel()
	all := []access.Right{access.Read, access.Write, access.Delete, access.MetaRead, access.MetaWrite}
	log := lists{metadata: map[string]string{
		"closed":    `{"$acl":{"$r":"$admins","$w":"$admins","$d":"$admins","$mr":"$admins","$mw":"$admins"}}`,
		"clerks":    `{"$acl":{"$r":["clerks","plain"],"$w":"clerks"}}`,
		"nobody":    `{"$acl":{"$r":[]}}`,
		"malformed": `{"$maxCount":"x","$acl":{"$r":"$admins"}}`,
		"$ce-order": `{"$acl":{"$r":"$all","$mr":"$all"}}`,
		"$all":      `{"$acl":{"$r":["$admins","plain"]}}`,
	}}
	for name, c := range map[string]struct {
		lists  lists
		user   *access.User
		stream string
		want   []access.Right
	}{
		"anonymous on an open stream":             {log, nil, "s", nil},
		"a user on an open stream":                {log, plain, "s", all},
		"a user on a system stream":               {log, plain, "$s", nil},
		"an operator on a system stream":          {log, ops, "$s", nil},
		"a member of $admins on a system stream":  {log, member, "$s", all},
		"the user admin on a closed stream":       {log, admin, "closed", all},
		"a user on a closed stream":               {log, plain, "closed", nil},
		"a user who is named in a list":           {log, plain, "clerks", []access.Right{access.Read, access.Delete, access.MetaRead, access.MetaWrite}},
		"a user whose group is named":             {log, clerk, "clerks", all},
		"a user who is not named":                 {log, ops, "clerks", []access.Right{access.Delete, access.MetaRead, access.MetaWrite}},
		"an empty entry leaves administrators":    {log, plain, "nobody", []access.Right{access.Write, access.Delete, access.MetaRead, access.MetaWrite}},
		"malformed metadata counts as none":       {log, plain, "malformed", all},
		"a list may open a system stream":         {log, plain, "$ce-order", []access.Right{access.Read, access.MetaRead}},
		"$all can be read by who is named":        {log, plain, "$all", []access.Right{access.Read}},
		"$all is written by nobody":               {log, admin, "$all", []access.Right{access.Read, access.MetaRead, access.MetaWrite}},
		"no name means $all":                      {log, plain, "", []access.Right{access.Read}},
		"a metastream has its stream's rights":    {log, plain, "$$s", []access.Right{access.Read, access.Write}},
		"a metastream of a closed stream":         {log, plain, "$$closed", nil},
		"a metastream is not deleted":             {log, admin, "$$closed", []access.Right{access.Read, access.Write}},
		"$settings close streams of users":        {lists{settings: `{"$userStreamAcl":{"$w":"clerks"}}`}, plain, "s", []access.Right{access.Read, access.Delete, access.MetaRead, access.MetaWrite}},
		"$settings open system streams":           {lists{settings: `{"$systemStreamAcl":{"$r":["$admins","$ops"]}}`}, ops, "$s", []access.Right{access.Read}},
		"malformed $settings count as none":       {lists{settings: `{"$userStreamAcl":{"$w":7}}`}, plain, "s", all},
		"a stream's own list overrides $settings": {lists{settings: `{"$userStreamAcl":{"$r":"clerks","$w":"clerks"}}`, metadata: map[string]string{"s": `{"$acl":{"$r":"plain"}}`}}, plain, "s", []access.Right{access.Read, access.Delete, access.MetaRead, access.MetaWrite}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []access.Right
			for _, right := range all {
				if access.Allows(c.lists, c.user, right, c.stream) {
					got = append(got, right)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}
