package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/kurrent"
	"orderflow/internal/shell"
)

// right is a right on a stream that a binary needs.
type right struct {
	stream string // as docs/operations.md writes it
	probe  string // a stream of that name, which need not exist
	right  kurrent.Right
}

func (r right) String() string {
	verb := map[kurrent.Right]string{
		kurrent.RightRead: "read ", kurrent.RightWrite: "write ", kurrent.RightMetaRead: "read the metadata of ",
	}[r.right]
	return verb + r.stream
}

// category returns a right on each stream of a category. The stream that is looked at need
// not exist: its rights are the same as those of a new one.
func category(name string, r kurrent.Right) right {
	return right{name + "-*", name + "-orderflow.doctor", r}
}

func on(stream string, r kurrent.Right) right { return right{stream, stream, r} }

// rightsOf returns the rights of docs/operations.md: what a binary reads and writes.
func rightsOf(binary, stream string) []right {
	const read, write = kurrent.RightRead, kurrent.RightWrite
	switch binary {
	case "starter":
		return []right{on(stream, read), category("order", read)}
	case "worker":
		return []right{
			category("credit", read), category("order", read), category("order", kurrent.RightMetaRead), category("credit", write),
		}
	case "publisher":
		return []right{category("fulfillment", read), category("fulfillment", write)}
	case "projector":
		return []right{on(kurrent.All, read)}
	case "api":
		return []right{category("order", read), category("credit", read), category("order", write), category("credit", write)}
	case "reconcile":
		return []right{on(kurrent.All, read), category("order", read), category("credit", read), category("fulfillment", read)}
	default:
		return nil
	}
}

// needsGroup reports whether a binary describes the group.
func needsGroup(binary string) bool { return binary == "starter" || binary == "reconcile" }

// rightsFacts are the rights that a user lacks, and those that could not be determined.
type rightsFacts struct {
	user    string
	open    bool // the server checks no rights
	lacks   []right
	unknown []right
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
	for _, r := range rightsOf(f.options.As, f.options.Group.Stream) {
		var has answer[bool]
		var known bool
		if !other && r.right != kurrent.RightWrite {
			has, known = ask(client.MayRead(ctx, probeOf(r))), true
		} else {
			holders, err := client.Holders(ctx, r.probe, r.right)
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
	return found
}

// probeOf returns the stream to read for a right: the metadata of a stream is one itself.
func probeOf(r right) string {
	if r.right == kurrent.RightMetaRead {
		return "$$" + r.probe
	}
	return r.probe
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
	describe := needsGroup(f.options.As) && (f.options.User == "" || f.options.User == f.options.KurrentDB.User()) && f.deniesGroup()
	return f.rightsResult(func(r right) bool { return r.right != kurrent.RightWrite }, describe)
}

func writeRights(f *facts) Result {
	return f.rightsResult(func(r right) bool { return r.right == kurrent.RightWrite }, false)
}

// rightsResult judges the selected rights.
func (f *facts) rightsResult(selected func(right) bool, deniedGroup bool) Result {
	found, as := f.kurrentDB.rights, f.options.As
	needed := pick(rightsOf(as, f.options.Group.Stream), selected)
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
	user := f.kurrentDB.rights.user
	switch f.options.As {
	case "starter":
		return "As an administrator: orderflow group create --grant " + shell.Quote(user) + "; and grant read on user streams in $settings, as in " + rightsPage
	case "projector":
		return `As an administrator, name the user in the metadata of $all: stream $$$all, {"$acl":{"$r":` + jsonList("$admins", user) + `}}, as in ` + rightsPage
	default:
		return "As an administrator, put the user into a group that $settings grants the right to, as in " + rightsPage
	}
}

func jsonList(names ...string) string {
	text, _ := json.Marshal(names) // strings always can be
	return string(text)
}

const rightsPage = "docs/operations.md, Rights in KurrentDB"

func pick(rights []right, selected func(right) bool) (texts []string) {
	for _, r := range rights {
		if selected(r) {
			texts = append(texts, r.String())
		}
	}
	return texts
}
