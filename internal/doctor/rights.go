package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
	"orderflow/internal/shell"
)

// rightsFacts are the rights that a user lacks, and those that could not be determined.
type rightsFacts struct {
	user    string
	open    bool // the server checks no rights
	lacks   []rights.Need
	unknown []rights.Need
	exposed bool // every user may read the group's stream, although not every user may read orders
	err     error
}

// readRights determines which rights the user lacks. Those of the connected user to read
// are tried. All others follow from the access control lists, which only administrators
// may read.
func (f *facts) readRights(ctx context.Context) (found rightsFacts) {
	client := f.options.KurrentDB
	found.user, found.open = client.User(), client.Plaintext()
	if f.options.As == "" || found.open {
		return found
	}
	other := f.options.User != "" && f.options.User != found.user
	if other {
		found.user = f.options.User
	}
	groups, groupsErr := client.GroupsOf(ctx, found.user)
	if other && errors.Is(groupsErr, kurrent.ErrNotFound) {
		found.err = fmt.Errorf("there is no user %s", found.user)
		return found
	}
	for _, r := range rights.Of(f.options.As, f.options.Group.Stream) {
		var has answer[bool]
		var known bool
		if !other && r.Right != kurrent.RightWrite {
			has, known = ask(client.MayRead(ctx, probeOf(r))), true
		} else {
			holders, err := client.Holders(ctx, r.Probe, r.Right)
			has.value, known = holds(found.user, groups, groupsErr == nil, holders)
			has.err, known = err, known && err == nil
		}
		switch {
		case has.err != nil && !errors.Is(has.err, kurrent.ErrAccessDenied):
			found.err = has.err
			return found
		case !known:
			found.unknown = append(found.unknown, r)
		case !has.value:
			found.lacks = append(found.lacks, r)
		}
	}
	found.exposed = f.exposesOrders(ctx)
	return found
}

// exposesOrders reports whether every user may read the links to events that not every user
// may read. Only an administrator sees the rights on orders.
func (f *facts) exposesOrders(ctx context.Context) bool {
	const everyone = "$all"
	client, placing := f.options.KurrentDB, rights.Of(rights.Checkout, f.options.Group.Stream)[0]
	orders, err := client.Holders(ctx, placing.Probe, kurrent.RightRead)
	if err != nil || slices.Contains(orders, everyone) {
		return false
	}
	links, err := client.Holders(ctx, f.options.Group.Stream, kurrent.RightRead)
	return err == nil && slices.Contains(links, everyone)
}

// probeOf returns the stream to read for a right: the metadata of a stream is one itself.
func probeOf(r rights.Need) string {
	if r.Right == kurrent.RightMetaRead {
		return "$$" + r.Probe
	}
	return r.Probe
}

// holds reports whether a user is among the holders of a right, and whether that is
// known: it is not if only a group may hold the right and the user's groups could not be
// read.
func holds(user string, groups []string, groupsKnown bool, holders []string) (has, known bool) {
	const everyone, administrators, administrator = "$all", "$admins", "admin"
	for _, holder := range holders {
		if holder == everyone || holder == user || slices.Contains(groups, holder) {
			return true, true
		}
	}
	if user == administrator || slices.Contains(groups, administrators) {
		return true, true
	}
	return false, groupsKnown
}

func readRights(f *facts) Result {
	describe := rights.UsesGroup(f.options.As) && (f.options.User == "" || f.options.User == f.options.KurrentDB.User()) && f.deniesGroup()
	r := f.rightsResult(func(r rights.Need) bool { return r.Right != kurrent.RightWrite }, describe)
	if r.Status == OK && f.kurrentDB.rights.exposed {
		return warning("every user may read "+f.options.Group.Stream, "A reader of a link gets its event: each user of the server reads all orders, "+
			"and may join the starter's group.", "As an administrator: orderflow setup --only kurrentdb --rights, again after the first order")
	}
	return r
}

func writeRights(f *facts) Result {
	return f.rightsResult(func(r rights.Need) bool { return r.Right == kurrent.RightWrite }, false)
}

// rightsResult judges the selected rights.
func (f *facts) rightsResult(selected func(rights.Need) bool, deniedGroup bool) Result {
	found, as := f.kurrentDB.rights, f.options.As
	needed := pick(rights.Of(as, f.options.Group.Stream), selected)
	lacks, unknown := pick(found.lacks, selected), pick(found.unknown, selected)
	if deniedGroup {
		lacks = append(lacks, "describe the group")
	}
	switch {
	case as == "":
		return notChecked("--as says whose rights to check: %s", list(Binaries()))
	case len(needed) == 0:
		return ok("%s needs none", as)
	case found.open:
		return ok("the server runs without TLS: every caller may %s", list(needed))
	case found.err != nil:
		return failed(found.err)
	case len(lacks) > 0:
		return problem(fmt.Sprintf("user %s may not %s", found.user, list(lacks)), "The "+as+" does not work without it.", f.grantHint())
	case len(unknown) > 0:
		return notChecked("only an administrator sees whether user %s may %s: run the command with an administrator's KURRENTDB_URL and --user %s",
			found.user, list(unknown), shell.Quote(found.user))
	default:
		return ok("user %s may %s", found.user, list(needed))
	}
}

// grantHint returns how an administrator grants the rights of the binary.
func (f *facts) grantHint() string {
	as, user := f.options.As, shell.Quote(f.kurrentDB.rights.user)
	all := "As an administrator: orderflow setup --only kurrentdb --rights --user " + as + "=" + user + ", which also restricts the other users"
	switch as {
	case "starter":
		return "As an administrator: orderflow group create --grant " + user + "; for user streams $settings, as in " + rightsPage
	case "projector":
		return all + `; or name the user in the metadata of $all: stream $$$all, {"$acl":{"$r":` + jsonList("$admins", f.kurrentDB.rights.user) + "}}"
	default:
		return all + "; or put the user into a group that $settings grants the right to, as in " + rightsPage
	}
}

func jsonList(names ...string) string {
	text, _ := json.Marshal(names) // strings always can be
	return string(text)
}

const rightsPage = "docs/operations.md, Rights in KurrentDB"

func pick(needs []rights.Need, selected func(rights.Need) bool) (texts []string) {
	for _, r := range needs {
		if selected(r) {
			texts = append(texts, r.String())
		}
	}
	return texts
}
