package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"orderflow/internal/kurrent"
	"orderflow/internal/rights"
	"orderflow/internal/shell"
)

const (
	administrator  = "an administrator has to grant them"
	administrators = "$admins"
)

// programs returns the programs of Users in a fixed order.
func (k *kurrentRun) programs() (found []string) {
	for _, program := range append(rights.Binaries(), rights.Others()...) {
		if len(k.Users[program]) > 0 {
			found = append(found, program)
		}
	}
	return found
}

// users returns the users of those programs for which need is true, each once.
func (k *kurrentRun) users(need func(program string) bool) (found []string) {
	for _, program := range k.programs() {
		if !need(program) {
			continue
		}
		for _, user := range k.Users[program] {
			if !slices.Contains(found, user) {
				found = append(found, user)
			}
		}
	}
	return found
}

// rights grants every program's user what it needs, and restricts the streams of users'
// names last: until then no program loses what it has.
func (k *kurrentRun) rights(ctx context.Context) {
	joining, all := k.Grant, []string(nil)
	if len(k.Users) > 0 {
		joining = append(slices.Clone(joining), k.users(rights.UsesGroup)...)
		all = k.users(rights.ReadsAll)
	}
	var granted []string
	for _, user := range slices.Concat(joining, all) {
		if !slices.Contains(granted, user) {
			granted = append(granted, user)
			k.grant(ctx, user, slices.Contains(joining, user), slices.Contains(all, user))
		}
	}
	if len(k.Users) > 0 {
		k.defaults(ctx)
		k.projected(ctx)
		k.correlated(ctx)
	}
}

func (k *kurrentRun) grant(ctx context.Context, user string, group, all bool) {
	step := "rights of " + user
	grants, err := k.grantStreams(ctx, user, group, all)
	gained := describeGrants(grants)
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		k.add(KurrentDB, step, Refused, administrator, k.grantCommands(user, group, all)...)
	case err != nil:
		k.fail(KurrentDB, step, err)
	case gained == "":
		k.add(KurrentDB, step, AlreadyThere, "")
	default:
		k.done(KurrentDB, step, Created, gained)
	}
}

func (k *kurrentRun) grantStreams(ctx context.Context, user string, group, all bool) (grants []kurrent.Grant, err error) {
	onGroup, onAll := k.Client.GrantGroup, k.Client.GrantReadAll
	if k.dryRun() {
		onGroup, onAll = k.Client.MissingGrants, k.Client.MissingReadAll
	}
	for _, joined := range k.groups() {
		if !group {
			break
		}
		granted, err := onGroup(ctx, joined.Stream, joined.Group, user)
		if grants = append(grants, granted...); err != nil {
			return grants, err
		}
	}
	if all {
		granted, err := onAll(ctx, user)
		return append(grants, granted), err
	}
	return grants, nil
}

func (k *kurrentRun) grantCommands(user string, group, all bool) (commands []string) {
	if group {
		commands = append(commands, "orderflow group create --grant "+shell.Quote(user))
	}
	if all {
		acl := map[string]any{"$acl": map[kurrent.Right][]string{kurrent.RightRead: {"$admins", user}}}
		commands = append(commands, eventTodo("$$"+kurrent.All, "$metadata", compact(acl)))
	}
	return commands
}

// missingUsers reports whether a user is missing, and which.
func (k *kurrentRun) missingUsers(ctx context.Context) bool {
	const step = "users"
	var missing, commands []string
	for _, user := range k.users(func(string) bool { return true }) {
		_, err := k.Client.GroupsOf(ctx, user)
		switch {
		case errors.Is(err, kurrent.ErrAccessDenied):
			k.add(KurrentDB, step, Skipped, "only an administrator sees which exist")
			return false
		case errors.Is(err, kurrent.ErrNotFound):
			missing, commands = append(missing, user), append(commands, createUser(user))
		case err != nil:
			k.fail(KurrentDB, step, err)
			return true
		}
	}
	if len(missing) == 0 {
		k.add(KurrentDB, step, AlreadyThere, "")
		return false
	}
	k.add(KurrentDB, step, Left, "there is none called "+strings.Join(missing, ", "), commands...)
	return true
}

// createUser returns the command that creates a user. The password is left to a file: an
// argument is seen by every process of the machine.
func createUser(name string) string {
	body := compact(struct {
		Name     string   `json:"loginName"`
		FullName string   `json:"fullName"`
		Groups   []string `json:"groups"`
		Password string   `json:"password"`
	}{name, "Orderflow " + name, []string{}, "PASSWORD"})
	return "curl -u ADMIN --cacert CA -H 'Content-Type: application/json' -d @FILE https://HOST:2113/users/ # FILE: " + body
}

// defaults grants the users their rights on streams of users' names, and takes them from
// the others.
func (k *kurrentRun) defaults(ctx context.Context) {
	const step = "rights on user streams"
	wanted := kurrent.DefaultRights{}
	for _, program := range k.programs() {
		for _, right := range rights.OnUserStreams(program) {
			wanted[right] = append(wanted[right], k.Users[program]...)
		}
	}
	restrict := k.Client.RestrictUserStreams
	if k.dryRun() {
		restrict = k.Client.MissingDefaults
	}
	change, err := restrict(ctx, wanted)
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		event := compact(map[string]any{"$userStreamAcl": defaultList(wanted)})
		k.add(KurrentDB, step, Refused, administrator, k.command(), eventTodo("$settings", "$settings", event))
	case err != nil:
		k.fail(KurrentDB, step, err)
	case len(change.Open) > 0:
		k.add(KurrentDB, step, Left, joinTexts(describeDefaults(change), fmt.Sprintf("$settings gives every user %v", change.Open)),
			eventTodo("$settings", "$settings", string(change.Wanted)))
	case change.Changed():
		k.done(KurrentDB, step, Changed, describeDefaults(change))
	default:
		k.add(KurrentDB, step, AlreadyThere, "")
	}
}

// projected takes the streams of system projections from all users but those who join the
// group: who reads a link reads its event, whatever the rights on the event's stream are.
func (k *kurrentRun) projected(ctx context.Context) {
	const step = "rights on projected streams"
	closeStream := k.Client.CloseProjected
	if k.dryRun() {
		closeStream = k.Client.OpenProjected
	}
	var closed, todo []string
	for _, stream := range rights.Projected(k.Group.Stream) {
		readers := []string(nil)
		if slices.ContainsFunc(k.groups(), func(g kurrent.GroupSettings) bool { return g.Stream == stream }) {
			readers = slices.Concat(k.Grant, k.users(rights.UsesGroup))
		}
		changed, err := closeStream(ctx, stream, readers)
		switch {
		case errors.Is(err, kurrent.ErrAccessDenied):
			acl := map[string]any{"$acl": map[kurrent.Right][]string{kurrent.RightRead: append([]string{administrators}, readers...)}}
			todo = append(todo, eventTodo("$$"+stream, "$metadata", compact(acl)))
		case err != nil:
			k.fail(KurrentDB, step, err)
			return
		case changed:
			closed = append(closed, stream)
		}
	}
	switch {
	case len(todo) > 0:
		k.add(KurrentDB, step, Refused, administrator, todo...)
	case len(closed) > 0:
		k.done(KurrentDB, step, Changed, strings.Join(closed, ", ")+" no longer for every user")
	default:
		k.add(KurrentDB, step, AlreadyThere, k.unopened(ctx))
	}
}

// unopened returns what is left if the group's stream has no event yet.
func (k *kurrentRun) unopened(ctx context.Context) string {
	if _, err := k.Client.LastEvent(ctx, k.Group.Stream); kurrent.IsGone(err) {
		return "the first event opens " + k.Group.Stream + " to every user: run this again then"
	}
	return ""
}

// command returns the command that grants everything, for another user.
func (k *kurrentRun) command() string {
	var words strings.Builder
	words.WriteString("orderflow setup --only kurrentdb --rights")
	if k.KeepCorrelation {
		words.WriteString(" --keep-correlation")
	}
	for _, program := range k.programs() {
		for _, user := range k.Users[program] {
			if user != program {
				words.WriteString(" --user " + program + "=" + shell.Quote(user))
			}
		}
	}
	return words.String()
}

// defaultList returns the list that restricts every right, on a server without one.
func defaultList(wanted kurrent.DefaultRights) map[kurrent.Right][]string {
	list := map[kurrent.Right][]string{}
	for _, right := range []kurrent.Right{
		kurrent.RightRead, kurrent.RightWrite, kurrent.RightDelete, kurrent.RightMetaRead, kurrent.RightMetaWrite,
	} {
		list[right] = []string{"$admins"}
		for _, user := range wanted[right] {
			if !slices.Contains(list[right], user) {
				list[right] = append(list[right], user)
			}
		}
	}
	return list
}

func eventTodo(stream, eventType, body string) string {
	return fmt.Sprintf("append to %s, type %s, merged with its newest event: %s", stream, eventType, body)
}

func describeDefaults(change kurrent.DefaultsChange) string {
	var texts []string
	if len(change.Restricted) > 0 {
		texts = append(texts, fmt.Sprintf("%v no longer for every user", change.Restricted))
	}
	for _, right := range slices.Sorted(maps.Keys(change.Added)) {
		texts = append(texts, fmt.Sprintf("%s for %s", right, strings.Join(change.Added[right], ", ")))
	}
	return joinTexts(texts...)
}

func joinTexts(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(text string) bool { return text == "" }), "; ")
}

// compact returns a value as JSON on one line.
func compact(value any) string {
	text, _ := json.Marshal(value) // strings, and lists of them, always can be
	return string(text)
}
