package probe

import (
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
)

// groupCreateProbes create groups with various settings and start positions, and on
// streams in every condition.
func groupCreateProbes() (probes []probe) {
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
		probes = append(probes, ask("group.create."+c.name, func(p *P) { createGroupWith(p, c.settings, c.from) }))
	}
	for _, c := range conditions() {
		probes = append(probes, ask("group.create.on_"+c.name, func(p *P) { createGroupInCondition(p, c) }))
	}
	return probes
}

func createGroupWith(p *P, settings *kurrentdb.PersistentSubscriptionSettings, from kurrentdb.StreamPosition) {
	p.Seed(p.S("s"), "a", "b", "c", "d")
	p.createGroup("s", "g", settings, from)
	p.Note("config", p.Config("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
	info, err := p.DB().GetPersistentSubscriptionInfo(p.ctx, p.S("s"), "g", kurrentdb.GetPersistentSubscriptionOptions{})
	if err != nil {
		p.Note("client", p.failure(err))
		return
	}
	p.Note("start as the client has it", fmt.Sprintf("%T %v", info.Settings.StartFrom, info.Settings.StartFrom))
}

func createGroupInCondition(p *P, c condition) {
	c.make(p, p.S("s"))
	if err := p.tryCreate("s", "g", nil, kurrentdb.Start{}); err != nil {
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
}

// groupSettingsProbes are about settings at their limits and beyond, which the client may
// not permit.
func groupSettingsProbes() (probes []probe) {
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
		probes = append(probes, ask("group.settings."+c.name, func(p *P) { createGroupEdited(p, c.edit) }))
	}
	return probes
}

func createGroupEdited(p *P, edit func(*persistent.CreateReq_Settings)) {
	p.Seed(p.S("s"), "a")
	p.Note("create", p.wireCreate(createRequest(p.S("s"), "g", edit)))
	p.Note("config", p.Config("s", "g"))
}

// groupNameProbes are about names of groups.
func groupNameProbes() (probes []probe) {
	for _, c := range []struct{ name, group string }{
		{"spaces", "two words"}, {"unicode", "größe"}, {"slash", "a/b"}, {"colons", "a::b"}, {"empty", ""}, {"dollar", "$g"}, {"long", strings.Repeat("g", 300)},
	} {
		probes = append(probes, ask("group.name."+c.name, func(p *P) { useGroupName(p, c.group) }))
	}
	return probes
}

func useGroupName(p *P, group string) {
	p.Seed(p.S("s"), "a")
	p.Note("create", p.failure(p.tryCreate("s", group, nil, kurrentdb.Start{})))
	p.Note("config", p.Config("s", group))
	p.Note("again", p.failure(p.tryCreate("s", group, nil, kurrentdb.Start{})))
	p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), group, kurrentdb.DeletePersistentSubscriptionOptions{})))
}
