package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"orderflow/internal/kurrent"
)

// KurrentDBOptions are what to set up in KurrentDB.
type KurrentDBOptions struct {
	Client *kurrent.Client       // as a user of $ops or, to grant rights, of $admins
	Group  kurrent.GroupSettings // the starter's group of orders
	Grant  []string              // users, or groups of users, who may join the groups, and see and drop parked events

	OtherGroups []kurrent.GroupSettings // of the starter

	// Users are those of each program of package rights, which get their rights. All other
	// users lose theirs on streams without a list of their own. Empty leaves rights alone.
	Users map[string][]string

	// KeepCorrelation is set if other programs need the projection $by_correlation_id,
	// which opens orders to every user.
	KeepCorrelation bool
}

// kurrentRun is the setup of KurrentDB.
type kurrentRun struct {
	*run
	KurrentDBOptions
}

func (k *kurrentRun) setUp(ctx context.Context) {
	never := func(error) bool { return false } // a new server knows its users only after a while
	if !k.await(ctx, KurrentDB, k.Client.Ping, never) {
		return
	}
	for _, group := range k.groups() {
		k.group(ctx, group)
	}
	if len(k.Users) > 0 && k.Client.Plaintext() {
		k.add(KurrentDB, "rights", Skipped, "without TLS the server checks none")
		k.Users = nil
	}
	// Without its user, a program would lose the rights of the one it has now.
	if len(k.Users) > 0 && k.missingUsers(ctx) && !k.dryRun() {
		k.add(KurrentDB, "rights", Skipped, "the users come first")
		k.Users = nil
	}
	k.rights(ctx)
}

// groups returns the starter's groups, that of orders first.
func (k *kurrentRun) groups() []kurrent.GroupSettings {
	return append([]kurrent.GroupSettings{k.Group}, k.OtherGroups...)
}

func (k *kurrentRun) group(ctx context.Context, group kurrent.GroupSettings) {
	step := fmt.Sprintf("group %s on %s", group.Group, group.Stream)
	ensure := k.Client.EnsureGroup
	if k.dryRun() {
		ensure = k.compareGroup
	}
	differences, created, err := ensure(ctx, group)
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		k.add(KurrentDB, step, Refused, "a user in $ops has to create it", "orderflow group create")
	case err != nil:
		k.fail(KurrentDB, step, err)
	case created:
		k.done(KurrentDB, step, Created, "")
	case group.LossReason(differences) != "":
		k.add(KurrentDB, step, Left, group.LossReason(differences))
	case len(differences) > 0:
		k.add(KurrentDB, step, AlreadyThere, "left unchanged, with other settings: "+joinDifferences(differences))
	default:
		k.add(KurrentDB, step, AlreadyThere, "")
	}
}

// compareGroup returns what EnsureGroup would, and changes nothing.
func (k *kurrentRun) compareGroup(ctx context.Context, settings kurrent.GroupSettings) ([]kurrent.Difference, bool, error) {
	_, err := k.Client.GroupInfo(ctx, settings.Stream, settings.Group) // unlike CompareGroup, it returns a refusal
	if errors.Is(err, kurrent.ErrNotFound) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	differences, err := k.Client.CompareGroup(ctx, settings)
	return differences, false, err
}

func joinDifferences(differences []kurrent.Difference) string {
	var texts []string
	for _, d := range differences {
		texts = append(texts, d.Text)
	}
	return strings.Join(texts, "; ")
}

func describeGrants(grants []kurrent.Grant) string {
	var texts []string
	for _, g := range grants {
		if len(g.Rights) > 0 {
			texts = append(texts, fmt.Sprintf("%v on %s", g.Rights, g.Stream))
		}
	}
	return strings.Join(texts, ", ")
}
