package probe

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
)

// groupAdminProbes create, update, describe and delete groups.
func groupAdminProbes() (probes []probe) {
	start, end, at := kurrentdb.Start{}, kurrentdb.End{}, kurrentdb.Revision
	for _, c := range []struct {
		name     string
		settings *kurrentdb.PersistentSubscriptionSettings
		from     kurrentdb.StreamPosition
	}{
		{"defaults", nil, nil},
		{"product", productSettings(), start},
		{"all_settings", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
			*s = kurrentdb.PersistentSubscriptionSettings{
				ResolveLinkTos: true, ExtraStatistics: true, MaxRetryCount: 3, CheckpointLowerBound: 4, CheckpointUpperBound: 50, MaxSubscriberCount: 6,
				LiveBufferSize: 70, ReadBatchSize: 8, HistoryBufferSize: 90, ConsumerStrategyName: kurrentdb.ConsumerStrategyPinned,
				MessageTimeout: 1234, CheckpointAfter: 2345,
			}
		}), at(3)},
		{"from_start", nil, start}, {"from_end", nil, end}, {"from_revision", nil, at(2)}, {"from_beyond", nil, at(100)},
		{"pinned_by_correlation", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
			s.ConsumerStrategyName = kurrentdb.ConsumerStrategyPinnedByCorrelation
		}), start},
	} {
		probes = append(probes, ask("group.create."+c.name, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c", "d")
			p.createGroup("s", "g", c.settings, c.from)
			p.Note("config", p.Config("s", "g"))
			p.Note("stats", p.Stats("s", "g"))
			info, err := p.DB().GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
			if err != nil {
				p.Note("client", p.failure(err))
				return
			}
			p.Note("start as the client has it", fmt.Sprintf("%T %v", info.Settings.StartFrom, info.Settings.StartFrom))
		}))
	}
	for _, c := range conditions() {
		probes = append(probes, ask("group.create.on_"+c.name, func(p *P) {
			c.make(p, p.S("s"))
			if err := p.tryCreate("s", "g", nil, start); err != nil {
				p.Note("create", p.failure(err))
				return
			}
			p.Note("stats", p.Stats("s", "g"))
			joined, err := p.tryJoin("s", "g", 5)
			if err != nil {
				p.Note("join", p.failure(err))
				return
			}
			joined.Take("joined", 9)
			p.Note("append", p.Append(p.S("s"), kurrentdb.Any{}, p.Ev("new")))
			joined.Take("then", 9)
		}))
	}
	for _, c := range []struct {
		name string
		edit func(*persistent.CreateReq_Settings)
	}{
		{"batch_as_history", func(s *persistent.CreateReq_Settings) { s.ReadBatchSize, s.HistoryBufferSize = 20, 20 }},
		{"batch_over_history", func(s *persistent.CreateReq_Settings) { s.ReadBatchSize, s.HistoryBufferSize = 21, 20 }},
		{"batch_zero", func(s *persistent.CreateReq_Settings) { s.ReadBatchSize = 0 }},
		{"history_zero", func(s *persistent.CreateReq_Settings) { s.HistoryBufferSize = 0 }},
		{"live_zero", func(s *persistent.CreateReq_Settings) { s.LiveBufferSize = 0 }},
		{"live_under_batch", func(s *persistent.CreateReq_Settings) { s.LiveBufferSize = 5 }},
		{"live_negative", func(s *persistent.CreateReq_Settings) { s.LiveBufferSize = -1 }},
		{"retry_zero", func(s *persistent.CreateReq_Settings) { s.MaxRetryCount = 0 }},
		{"retry_negative", func(s *persistent.CreateReq_Settings) { s.MaxRetryCount = -1 }},
		{"timeout_zero", func(s *persistent.CreateReq_Settings) {
			s.MessageTimeout = &persistent.CreateReq_Settings_MessageTimeoutMs{}
		}},
		{"timeout_negative", func(s *persistent.CreateReq_Settings) {
			s.MessageTimeout = &persistent.CreateReq_Settings_MessageTimeoutMs{MessageTimeoutMs: -1}
		}},
		{"timeout_unset", func(s *persistent.CreateReq_Settings) { s.MessageTimeout = nil }},
		{"checkpoint_after_zero", func(s *persistent.CreateReq_Settings) {
			s.CheckpointAfter = &persistent.CreateReq_Settings_CheckpointAfterMs{}
		}},
		{"checkpoint_after_negative", func(s *persistent.CreateReq_Settings) {
			s.CheckpointAfter = &persistent.CreateReq_Settings_CheckpointAfterMs{CheckpointAfterMs: -1}
		}},
		{"checkpoint_min_over_max", func(s *persistent.CreateReq_Settings) { s.MinCheckpointCount, s.MaxCheckpointCount = 10, 5 }},
		{"checkpoint_zero", func(s *persistent.CreateReq_Settings) { s.MinCheckpointCount, s.MaxCheckpointCount = 0, 0 }},
		{"subscribers_negative", func(s *persistent.CreateReq_Settings) { s.MaxSubscriberCount = -1 }},
		{"strategy_unknown", func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "Nonsense" }},
		{"strategy_empty", func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "" }},
		{"strategy_case", func(s *persistent.CreateReq_Settings) { s.ConsumerStrategy = "roundrobin" }},
	} {
		probes = append(probes, ask("group.settings."+c.name, func(p *P) {
			p.Seed(p.S("s"), "a")
			p.Note("create", p.wireCreate(createRequest(p.S("s"), "g", c.edit)))
			p.Note("config", p.Config("s", "g"))
		}))
	}
	for _, c := range []struct{ name, group string }{
		{"spaces", "two words"}, {"unicode", "größe"}, {"slash", "a/b"}, {"colons", "a::b"}, {"empty", ""}, {"dollar", "$g"}, {"long", strings.Repeat("g", 300)},
	} {
		probes = append(probes, ask("group.name."+c.name, func(p *P) {
			p.Seed(p.S("s"), "a")
			p.Note("create", p.failure(p.tryCreate("s", c.group, nil, start)))
			p.Note("config", p.Config("s", c.group))
			p.Note("again", p.failure(p.tryCreate("s", c.group, nil, start)))
			p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), c.group, kurrentdb.DeletePersistentSubscriptionOptions{})))
		}))
	}
	return append(probes,
		ask("group.create.twice", func(p *P) {
			p.createGroup("s", "g", nil, start)
			p.Note("same", p.failure(p.tryCreate("s", "g", nil, start)))
			p.Note("other settings", p.failure(p.tryCreate("s", "g", productSettings(), end)))
			p.Note("other group", p.failure(p.tryCreate("s", "h", nil, start)))
			p.Note("config", p.Config("s", "g"))
		}),
		ask("group.create.on_names", func(p *P) {
			p.Note("$all", p.wireCreate(createRequest("$all", p.run+"g", nil)))
			p.Note("empty", p.wireCreate(createRequest("", "g", nil)))
			p.Note("metastream", p.wireCreate(createRequest("$$"+p.S("s"), "g", nil)))
			p.Note("system", p.wireCreate(createRequest("$"+p.S("s"), "g", nil)))
		}),
		ask("group.update.absent", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: start})))
			p.createGroup("s", "other", nil, start)
			p.Note("beside another", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: start})))
		}),
		ask("group.update.settings", func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", nil, end)
			p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: productSettings(), StartFrom: at(1)})))
			p.Note("config", p.Config("s", "g"))
			p.Note("stats", p.Stats("s", "g"))
		}),
		ask("group.update.invalid", func(p *P) {
			p.createGroup("s", "g", nil, end)
			p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{
				Settings: groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ReadBatchSize, s.HistoryBufferSize = 20, 20 }), StartFrom: start,
			})))
			p.Note("config", p.Config("s", "g"))
		}),
		ask("group.update.joined", func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", nil, start)
			c := p.join("s", "g", 1)
			c.Take("joined", 9)
			p.Note("update", p.failure(p.DB().UpdatePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.PersistentStreamSubscriptionOptions{Settings: productSettings(), StartFrom: start})))
			c.Take("then", 9)
			p.join("s", "g", 5).Take("joined again", 9)
		}),
		ask("group.delete.absent", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
		}),
		ask("group.delete.joined", func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", nil, start)
			c := p.join("s", "g", 1)
			c.Take("joined", 9)
			p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
			c.Take("then", 9)
			_, err := p.tryJoin("s", "g", 5)
			p.Note("join again", p.failure(err))
			p.Note("info", p.Config("s", "g"))
		}),
		slow("group.delete.recreated", 25e9, func(p *P) { // nothing of it is left
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
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
			p.createGroup("s", "g", productSettings(), start)
			p.Note("new stats", p.Stats("s", "g"))
			c = p.join("s", "g", 5)
			got = c.Take("joined anew", 9)
			c.nack("again", kurrentdb.NackActionPark, got[0])
			p.awaitParked("s", "g", 1)
			p.Note("parked anew", p.Parked("s", "g"))
			p.Note("last stats", p.Stats("s", "g"))
		}),
		ask("group.info.absent", func(p *P) {
			p.Note("no stream", p.Config("s", "g"))
			p.Seed(p.S("s"), "a")
			p.Note("no group", p.Config("s", "g"))
			_, err := p.DB().GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
			p.Note("client", p.failure(err))
		}),
		ask("group.list", func(p *P) {
			names := func(infos []kurrentdb.PersistentSubscriptionInfo, err error) any {
				if err != nil {
					return p.failure(err)
				}
				names := []string{}
				for _, info := range infos {
					if contains(info.EventSource, p.prefix) {
						names = append(names, info.EventSource+"::"+info.GroupName)
					}
				}
				slices.Sort(names)
				return names
			}
			options := kurrentdb.ListPersistentSubscriptionsOptions{}
			p.Note("stream without groups", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("s"), options)))
			p.createGroup("s", "g", nil, start)
			p.createGroup("s", "h", nil, start)
			p.createGroup("t", "g", nil, start)
			p.Note("stream", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("s"), options)))
			p.Note("all", names(p.DB().ListAllPersistentSubscriptions(p.ctx, options)))
			p.Must("delete", p.DB().DeletePersistentSubscription(p.ctx, p.S("t"), "g", kurrentdb.DeletePersistentSubscriptionOptions{}))
			p.Note("stream whose group is gone", names(p.DB().ListPersistentSubscriptionsForStream(p.ctx, p.S("t"), options)))
		}),
		ask("group.join.absent", func(p *P) {
			_, err := p.tryJoin("s", "g", 5)
			p.Note("no stream", p.failure(err))
			p.Seed(p.S("s"), "a")
			_, err = p.tryJoin("s", "g", 5)
			p.Note("no group", p.failure(err))
		}),
		ask("group.join.too_many", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 2 }), start)
			first := p.join("s", "g", 5)
			p.join("s", "g", 5)
			_, err := p.tryJoin("s", "g", 5)
			p.Note("third", p.failure(err))
			first.leave()
			p.awaitConnections("s", "g", 1)
			_, err = p.tryJoin("s", "g", 5)
			p.Note("third after one left", p.failure(err))
		}),
		ask("group.join.huge_buffer", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", nil, start)
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
		}),
		ask("group.replay.absent", func(p *P) {
			p.Note("no group", p.replay("s", "g", 0))
		}),
	)
}
