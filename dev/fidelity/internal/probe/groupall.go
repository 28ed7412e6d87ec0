package probe

import (
	"context"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// groupAllProbes are about groups on $all. Their names are unique to the run.
func groupAllProbes() []probe {
	return []probe{
		ask("groupall.create", createAllGroupTwice),
		ask("groupall.create.start", createAllGroupFromStart),
		ask("groupall.create.end", createAllGroupFromEnd),
		ask("groupall.create.beyond", createAllGroupFromBeyond),
		ask("groupall.absent", absentAllGroup),
		slow("groupall.deliver", 30e9, deliverFromAll),
	}
}

// tryCreateOnAll creates a group on $all, and deletes it when the probe is over.
func (p *P) tryCreateOnAll(from kurrentdb.AllPosition, filter *kurrentdb.SubscriptionFilter) error {
	err := p.DB().CreatePersistentSubscriptionToAll(p.ctx, p.S("g"), kurrentdb.PersistentAllSubscriptionOptions{
		Settings: productSettings(), StartFrom: from, Filter: filter, MaxSearchWindow: 1000,
	})
	p.Later(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = p.DB().DeletePersistentSubscriptionToAll(ctx, p.S("g"), kurrentdb.DeletePersistentSubscriptionOptions{})
	})
	return err
}

func createAllGroupTwice(p *P) {
	first := p.Seed(p.S("f-1"), "a")
	p.Note("create", p.failure(p.tryCreateOnAll(logPosition(first), streamPrefix(p.S("f-")))))
	p.Note("again", p.failure(p.tryCreateOnAll(kurrentdb.Start{}, nil)))
	p.Note("config", p.Config("$all", p.S("g")))
}

func createAllGroupFromStart(p *P) {
	p.Note("create", p.failure(p.tryCreateOnAll(kurrentdb.Start{}, streamPrefix(p.S("f-")))))
	p.Note("config", p.Config("$all", p.S("g")))
}

func createAllGroupFromEnd(p *P) {
	p.Note("create", p.failure(p.tryCreateOnAll(kurrentdb.End{}, nil)))
	p.Note("config", p.Config("$all", p.S("g")))
	info, err := p.DB().GetPersistentSubscriptionInfoToAll(p.ctx, p.S("g"), kurrentdb.GetPersistentSubscriptionOptions{})
	p.Must("get info", err)
	p.Note("start is the end", info.Settings.StartFrom == kurrentdb.End{})
}

func createAllGroupFromBeyond(p *P) {
	p.Note("create", p.failure(p.tryCreateOnAll(kurrentdb.Position{Commit: 1 << 50, Prepare: 1 << 50}, nil)))
}

func absentAllGroup(p *P) {
	_, err := p.tryJoin("$all", p.S("g"), 5)
	p.Note("join", p.failure(err))
	p.Note("info", p.Config("$all", p.S("g")))
	p.Note("delete", p.failure(p.DB().DeletePersistentSubscriptionToAll(p.ctx, p.S("g"), kurrentdb.DeletePersistentSubscriptionOptions{})))
	p.Note("update", p.failure(p.DB().UpdatePersistentSubscriptionToAll(p.ctx, p.S("g"), kurrentdb.PersistentAllSubscriptionOptions{Settings: productSettings(), StartFrom: kurrentdb.Start{}})))
	p.Note("replay", p.failure(p.DB().ReplayParkedMessagesToAll(p.ctx, p.S("g"), kurrentdb.ReplayParkedMessagesOptions{})))
}

func deliverFromAll(p *P) {
	first := p.Seed(p.S("f-1"), "a")
	p.Seed(p.S("other"), "x")
	p.Seed(p.S("f-2"), "b", "c")
	p.Must("create", p.tryCreateOnAll(logPosition(first), streamPrefix(p.S("f-"))))
	c := p.join("$all", p.S("g"), 10)
	got := c.Take("joined", 9)
	p.Seed(p.S("f-1"), "d")
	got = append(got, c.Take("live", 9)...)
	if len(got) < 2 {
		return
	}
	p.Note("event", p.fullyResolved(got[0].Event))
	c.nack("why", kurrentdb.NackActionPark, got[0])
	c.ack(got[1:]...)
	p.awaitParked("$all", p.S("g"), 1)
	p.Note("parked", p.Read("$persistentsubscription-$all::"+p.S("g")+"-parked", forwards(kurrentdb.Start{}), 5, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }))
	info, err := p.info("$all", p.S("g"))
	p.Must("get info", err)
	p.Note("status", info.Status)
	p.Note("parked count", info.ParkedMessageCount)
	p.Note("last checkpointed is a position", placePosition.MatchString(info.LastCheckpointedEventPosition) || info.LastCheckpointedEventPosition == "")
	p.Note("last known is a position", placePosition.MatchString(info.LastKnownEventPosition) || info.LastKnownEventPosition == "")
	p.Note("replay", p.failure(p.DB().ReplayParkedMessagesToAll(p.ctx, p.S("g"), kurrentdb.ReplayParkedMessagesOptions{})))
	c.Take("replayed", 9)
}
