package probe

import (
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// metadataProbes are about events hidden by a stream's metadata, and the client's own
// calls for metadata.
func metadataProbes() (probes []probe) {
	for _, c := range []struct{ name, data string }{
		{"maxcount", `{"$maxCount":2}`}, {"maxcount.zero", `{"$maxCount":0}`}, {"maxcount.negative", `{"$maxCount":-1}`},
		{"maxcount.string", `{"$maxCount":"2"}`}, {"maxcount.float", `{"$maxCount":2.5}`},
		{"tb", `{"$tb":3}`}, {"tb.zero", `{"$tb":0}`}, {"tb.end", `{"$tb":5}`}, {"tb.beyond", `{"$tb":9}`}, {"tb.negative", `{"$tb":-1}`},
		{"tb.max", `{"$tb":9223372036854775807}`}, {"tb.huge", `{"$tb":9223372036854775808}`},
		{"tb.maxcount", `{"$tb":1,"$maxCount":2}`}, {"maxage.long", `{"$maxAge":1000}`}, {"maxage.zero", `{"$maxAge":0}`},
		{"unknown", `{"mine":1,"$other":2}`}, {"notjson", `{"$maxCount":2`}, {"notobject", `[1]`}, {"twice", `{"$maxCount":1,"$maxCount":4}`},
		{"badacl", `{"$acl":17,"$maxCount":2}`},
	} {
		probes = append(probes, ask("metadata."+c.name, func(p *P) { readUnderMetadata(p, c.data) }))
	}
	return append(probes,
		ask("metadata.maxage", metadataExpiresEvents),
		ask("metadata.binary", metadataNotFlaggedJSON),
		ask("metadata.othertype", metadataOfOtherType),
		ask("metadata.keeps_one", metastreamKeepsOneEvent),
		ask("metadata.expectations", metadataExpectations),
		ask("metadata.client", metadataByClient),
		ask("metadata.on_deleted", metadataOnDeletedStream),
		ask("metadata.on_tombstoned", metadataOnTombstonedStream),
	)
}

func readUnderMetadata(p *P, data string) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c", "d", "e")
	p.seedMetadata(stream, data)
	p.Note("forwards", p.History(stream))
	p.Note("forwards from 0, one", p.Read(stream, forwards(kurrentdb.Revision(0)), 1, p.briefly))
	p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 9, p.briefly))
	p.Note("backwards from 1", p.Read(stream, backwards(kurrentdb.Revision(1)), 9, p.briefly))
	p.Note("metadata", p.Metadata(stream))
	p.Note("append at 4", p.Append(stream, kurrentdb.Revision(4), p.Ev("f")))
	p.Note("then", p.History(stream))
	p.Note("metadata then", p.Metadata(stream))
}

func metadataExpiresEvents(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedMetadata(stream, `{"$maxAge":1}`)
	p.Sleep(2500 * time.Millisecond)
	p.Note("forwards", p.History(stream))
	p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 9, p.briefly))
	p.Note("append", p.Append(stream, kurrentdb.Revision(1), p.Ev("c")))
	p.Note("then", p.History(stream))
}

// metadataNotFlaggedJSON is about metadata that is not flagged as JSON.
func metadataNotFlaggedJSON(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c")
	e := kurrentdb.EventData{EventID: p.ID("m"), EventType: "$metadata", ContentType: kurrentdb.ContentTypeBinary, Data: []byte(`{"$maxCount":1}`)}
	p.Must("set", p.appended("$$"+stream, e))
	p.Note("forwards", p.History(stream))
}

func metadataOfOtherType(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c")
	e := kurrentdb.EventData{EventID: p.ID("m"), EventType: "whatever", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"$maxCount":1}`)}
	p.Must("set", p.appended("$$"+stream, e))
	p.Note("forwards", p.History(stream))
}

func metastreamKeepsOneEvent(p *P) {
	stream := p.S("s")
	p.seedMetadata(stream, `{"$maxCount":7}`)
	p.seedMetadata(stream, `{"$maxCount":8}`)
	p.Note("forwards", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 9, p.briefly))
	p.Note("from 0, one", p.Read("$$"+stream, forwards(kurrentdb.Revision(0)), 1, p.briefly))
	p.Note("backwards", p.Read("$$"+stream, backwards(kurrentdb.End{}), 9, p.briefly))
}

func metadataExpectations(p *P) {
	meta := "$$" + p.S("s")
	event := func(label string) kurrentdb.EventData {
		e := p.Ev(label)
		e.EventType, e.Data = "$metadata", []byte(`{"$maxCount":5}`)
		return e
	}
	p.Note("at 0, absent", p.Append(meta, kurrentdb.Revision(0), event("a")))
	p.Note("no stream", p.Append(meta, kurrentdb.NoStream{}, event("b")))
	p.Note("no stream again", p.Append(meta, kurrentdb.NoStream{}, event("c")))
	p.Note("same again", p.Append(meta, kurrentdb.NoStream{}, event("b")))
	p.Note("at 0", p.Append(meta, kurrentdb.Revision(0), event("d")))
	p.Note("at 0 again", p.Append(meta, kurrentdb.Revision(0), event("e")))
}

func metadataByClient(p *P) {
	stream := p.S("s")
	get := func() any {
		m, err := p.DB().GetStreamMetadata(p.ctx, stream, kurrentdb.ReadStreamOptions{})
		if err != nil {
			return p.failure(err)
		}
		data, _ := m.ToJson()
		return p.show(data)
	}
	p.Note("none", get())
	var m kurrentdb.StreamMetadata
	m.SetMaxCount(4)
	m.SetMaxAge(20 * time.Second)
	m.SetTruncateBefore(1)
	m.SetCacheControl(9 * time.Second)
	m.AddCustomProperty("mine", "x")
	acl := kurrentdb.Acl{}
	acl.AddReadRoles("$admins")
	m.SetAcl(acl)
	_, err := p.DB().SetStreamMetadata(p.ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.NoStream{}}, m)
	p.Note("set", p.failure(err))
	p.Note("got", get())
	p.Note("raw", p.Metadata(stream))
}

// metadataOnDeletedStream finds that writing metadata of a softly deleted stream brings
// it back.
func metadataOnDeletedStream(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedDelete(stream)
	p.seedMetadata(stream, `{"$maxCount":3,"mine":1}`)
	p.Note("metadata", p.Metadata(stream))
	p.Note("forwards", p.History(stream))
	p.Note("append", p.Append(stream, kurrentdb.Revision(1), p.Ev("c")))
	p.Note("then", p.History(stream))
	p.Note("metadata then", p.Metadata(stream))
}

func metadataOnTombstonedStream(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	p.seedTombstone(stream)
	p.Note("set", p.Append("$$"+stream, kurrentdb.Any{}, p.Ev("m")))
	p.Note("get", p.Metadata(stream))
}
