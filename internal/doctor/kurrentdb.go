package doctor

import (
	"context"
	"errors"
	"fmt"
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
	version     answer[kurrent.Version]
	maxAppend   answer[int64]
	byCategory  answer[kurrent.ProjectionStatus]
	differences answer[[]kurrent.Difference]
	info        answer[kurrent.GroupInfo]
	parked      answer[int]
	rights      rightsFacts
}

// errStop ends a visit of parked events early.
var errStop = errors.New("stop")

func (f *facts) readKurrentDB(ctx context.Context) (func(), error) {
	client, settings := f.options.KurrentDB, f.options.Group
	if err := client.Ping(ctx); errors.Is(err, kurrent.ErrAccessDenied) {
		return nil, &refusedError{err, "No binary with these credentials works.", "Correct user and password in KURRENTDB_URL."}
	} else if err != nil {
		return nil, err
	}
	var k kurrentFacts
	k.version = ask(client.ServerVersion(ctx))
	k.byCategory = ask(client.Projection(ctx, kurrent.ByCategory))
	k.differences = ask(client.CompareGroup(ctx, settings))
	k.info = ask(client.GroupInfo(ctx, settings.Stream, settings.Group))
	k.parked = ask(countParked(ctx, client, settings))
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

func group(f *facts) Result {
	settings := f.options.Group
	differences, err := f.kurrentDB.differences.value, f.kurrentDB.differences.err
	name := fmt.Sprintf("group %s on %s", settings.Group, settings.Stream)
	switch {
	case errors.Is(err, kurrent.ErrNotFound):
		return problem(name+" does not exist", "The starter receives no orders until it does.", "orderflow group create, as a user in $ops or $admins")
	case err != nil:
		return failed(err)
	case f.deniesGroup():
		return notChecked("this user may not describe %s", name)
	case settings.LossReason(differences) != "":
		return problem(settings.LossReason(differences), "Orders are lost or parked, so the starter does not join it.",
			"Update the group in the web UI, or delete it there and run orderflow group create: delivering everything again changes nothing.")
	case len(differences) > 0:
		return ok("%s exists; %d of its settings differ from those of a new one, and lose nothing", name, len(differences))
	default:
		return ok("%s exists, and its settings lose nothing", name)
	}
}

func (f *facts) deniesGroup() bool { return errors.Is(f.kurrentDB.info.err, kurrent.ErrAccessDenied) }

// infoResult returns the result of a check of the group's state that could not be read.
func (f *facts) infoResult() (Result, bool) {
	err := f.kurrentDB.info.err
	switch {
	case err == nil:
		return Result{}, false
	case errors.Is(err, kurrent.ErrNotFound):
		return notChecked("there is no group"), true
	case f.deniesGroup():
		return notChecked("this user may not describe the group"), true
	default:
		return failed(err), true
	}
}

func starter(f *facts) Result {
	if r, unread := f.infoResult(); unread {
		return r
	}
	n := f.kurrentDB.info.value.Consumers
	if n == 0 {
		return warning("no starter has joined the group", "New orders wait in KurrentDB.",
			"Start a starter; if one runs, its /readyz and its log say why it has not joined.")
	}
	return ok("starters in the group: %d", n)
}

func groupLag(f *facts) Result {
	if r, unread := f.infoResult(); unread {
		return r
	}
	lag := f.kurrentDB.info.value.Lag
	if lag > maxGroupLag {
		return warning(fmt.Sprintf("events that wait to be delivered: %d", lag), "Orders start late.",
			"Look at the starter's log and orderflow_bridge_waiting; run more starters if it is merely busy.")
	}
	return ok("events that wait to be delivered: %d", lag)
}

func parked(f *facts) Result {
	n, err := f.kurrentDB.parked.value, f.kurrentDB.parked.err
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
