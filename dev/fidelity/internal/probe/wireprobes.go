package probe

import (
	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// wireProbes record what the client hides: statuses, messages and trailers of errors, and
// fields of responses.
func wireProbes() []probe {
	return []probe{
		ask("wire.append.success", wireAppendSuccess),
		ask("wire.append.wrongversion", wireAppendWrongVersion),
		ask("wire.append.deleted", wireAppendToDeleted),
		slow("wire.append.toolarge", 30e9, wireAppendTooLarge),
		ask("wire.append.malformed", wireAppendMalformed),
		ask("wire.delete", wireDeletions),
		ask("wire.tombstone", wireTombstones),
		ask("wire.read", wireReads),
		ask("wire.deleted_odd_name", wireDeletedOddName),
		ask("wire.group.refusals", wireGroupRefusals),
		slow("wire.group.dropped", 20e9, wireGroupDropped),
		ask("wire.group.event", wireGroupDelivery),
	}
}

// expecting returns an append's options with one of any, none, exists, nothing or a
// revision.
func expecting(stream string, expected any) *streams.AppendReq_Options {
	options := &streams.AppendReq_Options{StreamIdentifier: streamID(stream)}
	switch expected {
	case "any":
		options.ExpectedStreamRevision = &streams.AppendReq_Options_Any{Any: &shared.Empty{}}
	case "none":
		options.ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
	case "exists":
		options.ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	case "nothing":
	default:
		options.ExpectedStreamRevision = &streams.AppendReq_Options_Revision{Revision: expected.(uint64)}
	}
	return options
}

func wireAppendSuccess(p *P) {
	p.Note("two", p.wireAppend(expecting(p.S("s"), "none"), p.wireEvent(p.Ev("a"), nil), p.wireEvent(p.Ev("b"), nil)))
	p.Note("again", p.wireAppend(expecting(p.S("s"), "none"), p.wireEvent(p.Ev("a"), nil), p.wireEvent(p.Ev("b"), nil)))
	p.Note("none", p.wireAppend(expecting(p.S("s"), "any")))
	p.Note("none to absent", p.wireAppend(expecting(p.S("t"), "any")))
}

func wireAppendWrongVersion(p *P) {
	p.Seed(p.S("s"), "a")
	p.Note("none on existing", p.wireAppend(expecting(p.S("s"), "none"), p.wireEvent(p.Ev("x"), nil)))
	p.Note("at 5 on existing", p.wireAppend(expecting(p.S("s"), uint64(5)), p.wireEvent(p.Ev("x"), nil)))
	p.Note("at 5 on absent", p.wireAppend(expecting(p.S("t"), uint64(5)), p.wireEvent(p.Ev("x"), nil)))
	p.Note("exists on absent", p.wireAppend(expecting(p.S("t"), "exists"), p.wireEvent(p.Ev("x"), nil)))
	p.Note("any, partly known", p.wireAppend(expecting(p.S("s"), "any"), p.wireEvent(p.Ev("a"), nil), p.wireEvent(p.Ev("x"), nil)))
}

func wireAppendToDeleted(p *P) {
	p.Seed(p.S("s"), "a")
	p.seedTombstone(p.S("s"))
	p.Note("any on tombstoned", p.wireAppend(expecting(p.S("s"), "any"), p.wireEvent(p.Ev("x"), nil)))
	p.Seed(p.S("t"), "b")
	p.seedDelete(p.S("t"))
	p.Note("exists on softly deleted", p.wireAppend(expecting(p.S("t"), "exists"), p.wireEvent(p.Ev("x"), nil)))
	p.Note("at 7 on softly deleted", p.wireAppend(expecting(p.S("t"), uint64(7)), p.wireEvent(p.Ev("x"), nil)))
}

func wireAppendTooLarge(p *P) {
	e := p.Ev("a")
	e.Data = jsonOf(16<<20 - 100)
	p.Note("event", p.wireAppend(expecting(p.S("s"), "any"), p.wireEvent(e, nil)))
	e.Data, e.Metadata = jsonOf(9<<20), jsonOf(8<<20)
	p.Note("event and metadata", p.wireAppend(expecting(p.S("s"), "any"), p.wireEvent(e, nil)))
}

func wireAppendMalformed(p *P) {
	one := func(meta map[string]string) *streams.AppendReq_ProposedMessage { return p.wireEvent(p.Ev("a"), meta) }
	p.Note("without type", p.wireAppend(expecting(p.S("s1"), "any"), one(map[string]string{"content-type": "application/json"})))
	p.Note("without content type", p.wireAppend(expecting(p.S("s2"), "any"), one(map[string]string{"type": "t"})))
	p.Note("other content type", p.wireAppend(expecting(p.S("s3"), "any"), one(map[string]string{"type": "t", "content-type": "text/plain"})))
	p.Note("other content type read", p.Read(p.S("s3"), forwards(kurrentdb.Start{}), 1, p.fullyResolved))
	p.Note("empty type", p.wireAppend(expecting(p.S("s4"), "any"), one(map[string]string{"type": "", "content-type": "application/json"})))
	p.Note("more metadata", p.wireAppend(expecting(p.S("s5"), "any"), one(map[string]string{"type": "t", "content-type": "application/json", "mine": "1"})))
	p.Note("more metadata read", p.Read(p.S("s5"), forwards(kurrentdb.Start{}), 1, p.fullyResolved))
	nothing := one(nil)
	nothing.Id = nil
	p.Note("without id", p.wireAppend(expecting(p.S("s6"), "any"), nothing))
	zero := one(nil)
	zero.Id = uuidOf(uuid.Nil)
	p.Note("zero id", p.wireAppend(expecting(p.S("s7"), "any"), zero))
	p.Note("without an expectation", p.wireAppend(expecting(p.S("s8"), "nothing"), one(nil)))
	p.Note("revision out of range", p.wireAppend(expecting(p.S("s9"), uint64(1<<63)), one(nil)))
	p.Note("highest revision", p.wireAppend(expecting(p.S("s9"), uint64(1<<63-1)), one(nil)))
	options := expecting("", "any")
	options.StreamIdentifier = nil
	p.Note("without a stream", p.wireAppend(options, one(nil)))
}

func wireDeletions(p *P) {
	del := func(stream string, expected any) any {
		options := &streams.DeleteReq_Options{StreamIdentifier: streamID(stream)}
		switch expected {
		case "any":
			options.ExpectedStreamRevision = &streams.DeleteReq_Options_Any{Any: &shared.Empty{}}
		case "none":
			options.ExpectedStreamRevision = &streams.DeleteReq_Options_NoStream{NoStream: &shared.Empty{}}
		case "exists":
			options.ExpectedStreamRevision = &streams.DeleteReq_Options_StreamExists{StreamExists: &shared.Empty{}}
		default:
			options.ExpectedStreamRevision = &streams.DeleteReq_Options_Revision{Revision: expected.(uint64)}
		}
		var trailer metadata.MD
		_, err := p.wire.streams.Delete(p.ctx, &streams.DeleteReq{Options: options}, grpc.Trailer(&trailer))
		return p.refusal(err, trailer)
	}
	p.Note("any on absent", del(p.S("t"), "any"))
	p.Note("none on absent", del(p.S("t2"), "none"))
	p.Seed(p.S("s"), "a")
	p.Note("none on existing", del(p.S("s"), "none"))
	p.Note("at 5 on existing", del(p.S("s"), uint64(5)))
	p.Note("exists on existing", del(p.S("s"), "exists"))
	p.Note("exists on softly deleted", del(p.S("s"), "exists"))
	p.seedTombstone(p.S("s"))
	p.Note("any on tombstoned", del(p.S("s"), "any"))
}

func wireTombstones(p *P) {
	tomb := func(stream string, revision uint64, any bool) any {
		options := &streams.TombstoneReq_Options{StreamIdentifier: streamID(stream)}
		options.ExpectedStreamRevision = &streams.TombstoneReq_Options_Revision{Revision: revision}
		if any {
			options.ExpectedStreamRevision = &streams.TombstoneReq_Options_Any{Any: &shared.Empty{}}
		}
		var trailer metadata.MD
		_, err := p.wire.streams.Tombstone(p.ctx, &streams.TombstoneReq{Options: options}, grpc.Trailer(&trailer))
		return p.refusal(err, trailer)
	}
	p.Seed(p.S("s"), "a")
	p.Note("at 5", tomb(p.S("s"), 5, false))
	p.Note("at 0", tomb(p.S("s"), 0, false))
	p.Note("again", tomb(p.S("s"), 0, true))
}

func wireReads(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.Note("existing", p.wireRead(readOf(p.S("s"), kurrentdb.Start{}, 5)))
	p.Note("beyond", p.wireRead(readOf(p.S("s"), 7, 5)))
	p.Note("absent", p.wireRead(readOf(p.S("t"), kurrentdb.Start{}, 5)))
	p.Note("count 0", p.wireRead(readOf(p.S("s"), kurrentdb.Start{}, 0)))
	p.Note("forwards from end", p.wireRead(readOf(p.S("s"), kurrentdb.End{}, 5)))
	p.Seed(p.S("u"), "c")
	p.seedDelete(p.S("u"))
	p.Note("softly deleted", p.wireRead(readOf(p.S("u"), kurrentdb.Start{}, 5)))
	p.seedTombstone(p.S("u"))
	p.Note("tombstoned", p.wireRead(readOf(p.S("u"), kurrentdb.Start{}, 5)))
	p.Note("no name", p.wireRead(readOf("", kurrentdb.Start{}, 5)))
	unset := readOf(p.S("s"), kurrentdb.Start{}, 5)
	unset.UuidOption = &streams.ReadReq_Options_UUIDOption{}
	p.Note("uuid option empty", p.wireRead(unset))
	unset = readOf(p.S("s"), kurrentdb.Start{}, 5)
	unset.CountOption = nil
	p.Note("no count", p.wireRead(unset))
	unset = readOf(p.S("s"), kurrentdb.Start{}, 5)
	unset.FilterOption = nil
	p.Note("no filter option", p.wireRead(unset))
	p.Note("requires leader", p.wireRead(readOf(p.S("s"), kurrentdb.Start{}, 5), "requires-leader", "true"))
}

// wireDeletedOddName deletes a stream whose name does not fit into a header.
func wireDeletedOddName(p *P) {
	stream := p.S("größe \"x\"\n")
	p.Seed(stream, "a")
	p.seedTombstone(stream)
	p.Note("append", p.wireAppend(expecting(stream, "any"), p.wireEvent(p.Ev("x"), nil)))
	p.Note("client", p.Append(stream, kurrentdb.Any{}, p.Ev("y")))
}

func wireGroupRefusals(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 1 }), kurrentdb.Start{})
	var trailer metadata.MD
	_, err := p.wire.groups.Create(p.ctx, createRequest(p.S("s"), "g", nil), grpc.Trailer(&trailer))
	p.Note("create again", p.refusal(err, trailer))
	absent := &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{
		StreamOption: &persistent.GetInfoReq_Options_StreamIdentifier{StreamIdentifier: streamID(p.S("s"))}, GroupName: "absent",
	}}
	trailer = nil
	_, err = p.wire.groups.GetInfo(p.ctx, absent, grpc.Trailer(&trailer))
	p.Note("info of absent", p.refusal(err, trailer))
	trailer = nil
	_, err = p.wire.groups.Delete(p.ctx, &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{
		StreamOption: &persistent.DeleteReq_Options_StreamIdentifier{StreamIdentifier: streamID(p.S("s"))}, GroupName: "absent",
	}}, grpc.Trailer(&trailer))
	p.Note("delete absent", p.refusal(err, trailer))
	trailer = nil
	_, err = p.wire.groups.ReplayParked(p.ctx, replayRequest(p.S("s"), "absent", nil), grpc.Trailer(&trailer))
	p.Note("replay of absent", p.refusal(err, trailer))
	below := int64(-1)
	trailer = nil
	_, err = p.wire.groups.ReplayParked(p.ctx, replayRequest(p.S("s"), "g", &below), grpc.Trailer(&trailer))
	p.Note("replay to -1", p.refusal(err, trailer))
	trailer = nil
	_, err = p.wire.groups.List(p.ctx, &persistent.ListReq{Options: &persistent.ListReq_Options{
		ListOption: &persistent.ListReq_Options_ListForStream{ListForStream: &persistent.ListReq_StreamOption{
			StreamOption: &persistent.ListReq_StreamOption_Stream{Stream: streamID(p.S("absent"))},
		}},
	}}, grpc.Trailer(&trailer))
	p.Note("list of absent", p.refusal(err, trailer))
	p.Note("join absent", p.wireJoin(p.S("s"), "absent", 5))
	p.Note("join", p.wireJoin(p.S("s"), "g", 5))
	p.awaitConnections("s", "g", 0)
	c := p.join("s", "g", 5)
	p.Note("join a second time", p.wireJoin(p.S("s"), "g", 5))
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("join with buffer 0", p.wireJoin(p.S("s"), "g", 0))
	p.awaitConnections("s", "g", 0)
	p.Note("join with buffer -1", p.wireJoin(p.S("s"), "g", -1))
}

func wireGroupDropped(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.End{})
	done := make(chan any, 1)
	go func() { done <- p.wireJoinFor(p.S("s"), "g", 5, 6e9) }()
	p.awaitConnections("s", "g", 1)
	p.Must("delete", p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{}))
	p.Note("joined, then deleted", <-done)
}

// wireGroupDelivery records the fields of a delivery.
func wireGroupDelivery(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.Note("messages", p.wireJoin(p.S("s"), "g", 5))
}

func replayRequest(stream, group string, stopAt *int64) *persistent.ReplayParkedReq {
	options := &persistent.ReplayParkedReq_Options{
		GroupName:    group,
		StreamOption: &persistent.ReplayParkedReq_Options_StreamIdentifier{StreamIdentifier: streamID(stream)},
		StopAtOption: &persistent.ReplayParkedReq_Options_NoLimit{NoLimit: &shared.Empty{}},
	}
	if stopAt != nil {
		options.StopAtOption = &persistent.ReplayParkedReq_Options_StopAt{StopAt: *stopAt}
	}
	return &persistent.ReplayParkedReq{Options: options}
}

// createRequest returns the product's request, modified by edit.
func createRequest(stream, group string, edit func(*persistent.CreateReq_Settings)) *persistent.CreateReq {
	settings := &persistent.CreateReq_Settings{
		MaxRetryCount: 10, MinCheckpointCount: 10, MaxCheckpointCount: 1000, LiveBufferSize: 500, ReadBatchSize: 20,
		HistoryBufferSize: 500, ConsumerStrategy: "RoundRobin",
		MessageTimeout:  &persistent.CreateReq_Settings_MessageTimeoutMs{MessageTimeoutMs: 30_000},
		CheckpointAfter: &persistent.CreateReq_Settings_CheckpointAfterMs{CheckpointAfterMs: 2_000},
	}
	if edit != nil {
		edit(settings)
	}
	return &persistent.CreateReq{Options: &persistent.CreateReq_Options{
		StreamOption: &persistent.CreateReq_Options_Stream{Stream: &persistent.CreateReq_StreamOptions{
			StreamIdentifier: streamID(stream), RevisionOption: &persistent.CreateReq_StreamOptions_Start{Start: &shared.Empty{}},
		}},
		GroupName: group, Settings: settings,
	}}
}
