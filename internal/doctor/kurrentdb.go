package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"orderflow/internal/kurrent"
)

const (
	// minAppend is the default limit of KurrentDB 24.10, for which the sizes of what
	// Orderflow appends are chosen.
	minAppend = 1 << 20
	// maxParked bounds how many parked events are counted.
	maxParked = 1000
	// maxGroupLag is how many undelivered events are no backlog yet.
	maxGroupLag = 1000
)

// kurrentFacts are what KurrentDB returned.
type kurrentFacts struct {
	version    answer[kurrent.Version]
	maxAppend  answer[int64]
	byCategory answer[kurrent.ProjectionStatus]
	groups     []groupFacts // that of orders first
	rights     rightsFacts
}

// groupFacts are what KurrentDB returned about one of the starter's groups.
type groupFacts struct {
	settings    kurrent.GroupSettings
	prefix      string // of what is said about another group than that of orders
	differences answer[[]kurrent.Difference]
	info        answer[kurrent.GroupInfo]
	parked      answer[int]
}

// errStop ends a visit of parked events early.
var errStop = errors.New("stop")

func (f *facts) readKurrentDB(ctx context.Context) (func(), error) {
	client := f.options.KurrentDB
	if err := client.Ping(ctx); errors.Is(err, kurrent.ErrAccessDenied) {
		return nil, &refusedError{err, "No binary with these credentials works.", "Correct user and password in KURRENTDB_URL."}
	} else if err != nil {
		return nil, err
	}
	var k kurrentFacts
	k.version = ask(client.ServerVersion(ctx))
	k.byCategory = ask(client.Projection(ctx, kurrent.ByCategory))
	for _, settings := range append([]kurrent.GroupSettings{f.options.Group}, f.options.OtherGroups...) {
		g := groupFacts{
			settings:    settings,
			differences: ask(client.CompareGroup(ctx, settings)),
			info:        ask(client.GroupInfo(ctx, settings.Stream, settings.Group)),
			parked:      ask(countParked(ctx, client, settings)),
		}
		if len(k.groups) > 0 {
			g.prefix = "on " + settings.Stream + ": "
		}
		k.groups = append(k.groups, g)
	}
	k.rights = f.readRights(ctx)
	var c clock // last, for over HTTP each node is tried, also one whose machine is gone
	c.begin(f.options.Now)
	at, err := client.Time(ctx)
	c.end(f.options.Now, at, time.Second, err)
	k.maxAppend = ask(client.MaxAppend(ctx))
	return func() { f.kurrentDB, f.clocks[KurrentDB] = k, c }, nil
}

func countParked(ctx context.Context, client *kurrent.Inspector, settings kurrent.GroupSettings) (n int, err error) {
	err = client.ParkedFrom(ctx, settings.Stream, settings.Group, 0, maxParked, func(kurrent.Parked) error {
		if n++; n >= maxParked {
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return n, err
}

func kurrentReachable(f *facts) Result {
	if user := f.options.KurrentDB.User(); user != "" {
		return ok("responds to user %s", user)
	}
	return ok("responds")
}

func kurrentVersion(f *facts) Result {
	v, err := f.kurrentDB.version.value, f.kurrentDB.version.err
	switch {
	case err != nil:
		return failed(err)
	case v.Major < 24 || v.Major == 24 && v.Minor < 10:
		return problem(fmt.Sprintf("KurrentDB %s", v), "Orderflow is built and tested for 24.10 and newer: older servers reply differently.",
			"Upgrade KurrentDB to 24.10 or newer.")
	default:
		return ok("KurrentDB %s", v)
	}
}

func appendLimit(f *facts) Result {
	limit, err := f.kurrentDB.maxAppend.value, f.kurrentDB.maxAppend.err
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		return notChecked("only users in $ops or $admins may read the server's options")
	case errors.Is(err, kurrent.ErrNotFound):
		return notChecked("the server does not say its MaxAppendSize")
	case err != nil:
		return failed(err)
	case limit < minAppend:
		return problem(fmt.Sprintf("one append may have %d bytes", limit),
			"Orders that are accepted, and versions that are published, may be larger: the server refuses them.",
			fmt.Sprintf("Start KurrentDB with MaxAppendSize of at least %d, its default.", minAppend))
	default:
		return ok("one append may have %d bytes", limit)
	}
}

func projection(f *facts) Result {
	status, err := f.kurrentDB.byCategory.value, f.kurrentDB.byCategory.err
	why := "It fills " + f.options.Group.Stream + ": no new order starts, and nothing fails."
	switch {
	case err != nil:
		return failed(err)
	case status == kurrent.ProjectionRunning:
		return ok("%s is running", kurrent.ByCategory)
	case status == kurrent.ProjectionAbsent:
		return problem(kurrent.ByCategory+" is absent", why, "Restart KurrentDB with RunProjections=System and StartStandardProjections=true.")
	case status == kurrent.ProjectionChanges:
		return warning(kurrent.ByCategory+" is being started or stopped", why, "Run the command again in a minute.")
	case status == kurrent.ProjectionFaulted:
		return problem(kurrent.ByCategory+" is faulted", why,
			"Fix the cause that its state reason in the web UI names, then disable and enable it, as a user in $ops.")
	default:
		return problem(kurrent.ByCategory+" is stopped", why,
			"Restart KurrentDB with StartStandardProjections=true, or enable it as a user in $ops: "+
				"curl -u USER -X POST 'https://HOST:2113/projection/$by_category/command/enable'")
	}
}

func group(f *facts) Result { return f.eachGroup(groupFacts.exists) }

func (g groupFacts) exists() Result {
	settings := g.settings
	differences, err := g.differences.value, g.differences.err
	name := fmt.Sprintf("group %s on %s", settings.Group, settings.Stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return problem(name+" does not exist", "The starter receives none of its events until it does.", "orderflow group create, as a user in $ops or $admins")
	case err != nil:
		return failed(err)
	case g.denied():
		return notChecked("this user may not describe %s", name)
	case settings.LossReason(differences) != "":
		return problem(settings.LossReason(differences), "Events are lost or parked, so the starter does not join it.",
			"Update the group in the web UI, or delete it there and run orderflow group create: delivering everything again changes nothing.")
	case len(differences) > 0:
		return ok("%s exists; %d of its settings differ from those of a new one, and lose nothing", name, len(differences))
	default:
		return ok("%s exists, and its settings lose nothing", name)
	}
}

func (g groupFacts) denied() bool { return errors.Is(g.info.err, kurrent.ErrAccessDenied) }

// deniesGroup reports whether the user may not describe one of the groups.
func (f *facts) deniesGroup() bool { return slices.ContainsFunc(f.kurrentDB.groups, groupFacts.denied) }

// eachGroup judges each group and returns the worst result. If several are as bad, it says
// what was found of each.
func (f *facts) eachGroup(judge func(groupFacts) Result) (worst Result) {
	for i, g := range f.kurrentDB.groups {
		r := judge(g)
		if !strings.Contains(r.Found, g.settings.Stream) {
			r.Found = g.prefix + r.Found
		}
		switch {
		case i == 0 || severity(r.Status) > severity(worst.Status):
			worst = r
		case r.Status == worst.Status:
			worst.Found += "; " + r.Found
		}
	}
	return worst
}

func severity(s Status) int {
	return slices.Index([]Status{OK, NotChecked, Warning, Problem, Failed}, s)
}

// infoResult returns the result of a check of the group's state that could not be read.
func (g groupFacts) infoResult() (Result, bool) {
	err := g.info.err
	switch {
	case err == nil:
		return Result{}, false
	case errors.Is(err, kurrent.ErrNotFound):
		return notChecked("there is no group"), true
	case g.denied():
		return notChecked("this user may not describe the group"), true
	default:
		return failed(err), true
	}
}

func starter(f *facts) Result { return f.eachGroup(groupFacts.hasStarter) }

func (g groupFacts) hasStarter() Result {
	if r, unread := g.infoResult(); unread {
		return r
	}
	n := g.info.value.Consumers
	if n == 0 {
		return warning("no starter has joined the group", "New orders wait in KurrentDB.",
			"Start a starter; if one runs, its /readyz and its log say why it has not joined.")
	}
	return ok("starters in the group: %d", n)
}

func groupLag(f *facts) Result { return f.eachGroup(groupFacts.lag) }

func (g groupFacts) lag() Result {
	if r, unread := g.infoResult(); unread {
		return r
	}
	lag := g.info.value.Lag
	if lag > maxGroupLag {
		return warning(fmt.Sprintf("events that wait to be delivered: %d", lag), "Orders start late.",
			"Look at the starter's log and orderflow_bridge_waiting; run more starters if it is merely busy.")
	}
	return ok("events that wait to be delivered: %d", lag)
}

func parked(f *facts) Result { return f.eachGroup(groupFacts.hasParked) }

func (g groupFacts) hasParked() Result {
	n, err := g.parked.value, g.parked.err
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		return notChecked("this user may not read the parked stream")
	case err != nil:
		return failed(err)
	case n == 0:
		return ok("no event is parked")
	}
	count := fmt.Sprint(n)
	if n >= maxParked {
		count += " or more"
	}
	return warning("parked events: "+count, "They had no effect: each is an order or a message that nothing processes.",
		"orderflow parked list says why; then orderflow parked replay or drop")
}
