package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// groupAdminProbes update, describe and delete groups, and ask for what must be refused.
func groupAdminProbes() []probe {
	return []probe{
		ask("group.create.twice", createGroupTwice),
		ask("group.create.on_names", createGroupOnReservedNames),
		ask("group.update.absent", updateAbsentGroup),
		ask("group.update.settings", updateGroupSettings),
		ask("group.update.invalid", updateGroupInvalidly),
		ask("group.update.joined", updateJoinedGroup),
		ask("group.delete.absent", deleteAbsentGroup),
		ask("group.delete.joined", deleteJoinedGroup),
		slow("group.delete.recreated", 25e9, recreateGroup),
		ask("group.info.absent", describeAbsentGroup),
		ask("group.list", listGroups),
		ask("group.join.absent", joinAbsentGroup),
		ask("group.join.too_many", joinFullGroup),
		ask("group.join.huge_buffer", joinWithHugeBuffer),
		ask("group.replay.absent", replayAbsentGroup),
	}
}

func createGroupTwice(p *P) {
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.Note("same", p.failure(p.tryCreate("s", "g", nil, kurrentdb.Start{})))
	p.Note("other settings", p.failure(p.tryCreate("s", "g", productSettings(), kurrentdb.End{})))
	p.Note("other group", p.failure(p.tryCreate("s", "h", nil, kurrentdb.Start{})))
	p.Note("config", p.Config("s", "g"))
}

func createGroupOnReservedNames(p *P) {
	p.Note("$all", p.wireCreate(createRequest("$all", p.run+"g", nil)))
	p.Note("empty", p.wireCreate(createRequest("", "g", nil)))
	p.Note("metastream", p.wireCreate(createRequest("$$"+p.S("s"), "g", nil)))
	p.Note("system", p.wireCreate(createRequest("$"+p.S("s"), "g", nil)))
}

func updateAbsentGroup(p *P) {
	p.Seed(p.S("s"), "a")
	p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})))
	p.createGroup("s", "other", nil, kurrentdb.Start{})
	p.Note("beside another", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}})))
}

func updateGroupSettings(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", nil, kurrentdb.End{})
	p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: productSettings(), StartFrom: kurrentdb.Revision(1)})))
	p.Note("config", p.Config("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
}

func updateGroupInvalidly(p *P) {
	p.createGroup("s", "g", nil, kurrentdb.End{})
	p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{
		Settings: groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ReadBatchSize, s.HistoryBufferSize = 20, 20 }), StartFrom: kurrentdb.Start{},
	})))
	p.Note("config", p.Config("s", "g"))
}

func updateJoinedGroup(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	c := p.join("s", "g", 1)
	c.Take("joined", 9)
	p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: productSettings(), StartFrom: kurrentdb.Start{}})))
	c.Take("then", 9)
	p.join("s", "g", 5).Take("joined again", 9)
}

func deleteAbsentGroup(p *P) {
	p.Seed(p.S("s"), "a")
	p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
}

func deleteJoinedGroup(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	c := p.join("s", "g", 1)
	c.Take("joined", 9)
	p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
	c.Take("then", 9)
	_, err := p.tryJoin("s", "g", 5)
	p.Note("join again", p.failure(err))
	p.Note("info", p.Config("s", "g"))
}

// recreateGroup finds that nothing of the deleted group is left.
func recreateGroup(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 5)
	got := c.Take("joined", 3)
	c.ack(got[0])
	c.nack("why", kurrentdb.NackActionPark, got[1])
	p.awaitParked("s", "g", 1)
	p.Note("stats", p.Stats("s", "g"))
	c.leave()
	p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
	p.Sleep(p.quiet)
	p.Note("parked stream", p.History(p.parkedStream("s", "g")))
	p.Note("parked metadata", p.Metadata(p.parkedStream("s", "g")))
	p.Note("checkpoint stream", p.Checkpoint("s", "g"))
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	p.Note("new stats", p.Stats("s", "g"))
	c = p.join("s", "g", 5)
	got = c.Take("joined anew", 9)
	c.nack("again", kurrentdb.NackActionPark, got[0])
	p.awaitParked("s", "g", 1)
	p.Note("parked anew", p.Parked("s", "g"))
	p.Note("last stats", p.Stats("s", "g"))
}

func describeAbsentGroup(p *P) {
	p.Note("no stream", p.Config("s", "g"))
	p.Seed(p.S("s"), "a")
	p.Note("no group", p.Config("s", "g"))
	_, err := p.DB().GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
	p.Note("client", p.failure(err))
}

func listGroups(p *P) {
	names := func(infos []kurrentdb.PersistentSubscriptionInfo, err error) any {
		if err != nil {
			return p.failure(err)
		}
		names := []string{}
		for _, info := range infos {
			if strings.Contains(info.EventSource, p.prefix) {
				names = append(names, info.EventSource+"::"+info.GroupName)
			}
		}
		slices.Sort(names)
		return names
	}
	options := kurrentdb.ListPersistentSubscriptionsOptions{}
	p.Note("stream without groups", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("s"), options)))
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.createGroup("s", "h", nil, kurrentdb.Start{})
	p.createGroup("t", "g", nil, kurrentdb.Start{})
	p.Note("stream", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("s"), options)))
	p.Note("all", names(p.DB().ListAllPersistentSubscriptions(p.ctx, options)))
	p.Must("delete", p.DB().DeletePersistentSubscription(p.ctx, p.S("t"), "g", kurrentdb.DeletePersistentSubscriptionOptions{}))
	p.Note("stream whose group is gone", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("t"), options)))
}

func joinAbsentGroup(p *P) {
	_, err := p.tryJoin("s", "g", 5)
	p.Note("no stream", p.failure(err))
	p.Seed(p.S("s"), "a")
	_, err = p.tryJoin("s", "g", 5)
	p.Note("no group", p.failure(err))
}

func joinFullGroup(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 2 }), kurrentdb.Start{})
	first := p.join("s", "g", 5)
	p.join("s", "g", 5)
	_, err := p.tryJoin("s", "g", 5)
	p.Note("third", p.failure(err))
	first.leave()
	p.awaitConnections("s", "g", 1)
	_, err = p.tryJoin("s", "g", 5)
	p.Note("third after one left", p.failure(err))
}

func joinWithHugeBuffer(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	for _, buffer := range []uint32{10_000, 1_000_000, 1<<31 - 1} {
		c, err := p.tryJoin("s", "g", buffer)
		if err != nil {
			p.Note(fmt.Sprint("join with ", buffer), p.failure(err))
			continue
		}
		p.awaitConnections("s", "g", 1)
		c.Take(fmt.Sprint("with ", buffer), 1)
		info, err := p.info("s", "g")
		p.Must("get info", err)
		p.Note("slots left", info.Connections[0].AvailableSlots)
		c.leave()
		p.awaitConnections("s", "g", 0)
	}
}

func replayAbsentGroup(p *P) {
	p.Note("no group", p.replay("s", "g", 0))
}
