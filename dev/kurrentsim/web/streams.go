package web

import (
	"net/http"
	"strings"

	"orderflow/dev/kurrentsim/store"
)

// recentStreams is how many streams the first page lists.
const recentStreams = 50

// pagesPerView limits the reads for one view of a stream whose events are mostly expired.
const pagesPerView = 40

type streamsBody struct {
	System bool
	Newest []store.Record // newest event of each stream
}

// streams lists the streams changed last.
func (b *browser) streams(r *http.Request) (view, error) {
	body := streamsBody{System: r.URL.Query().Get("system") != ""}
	var err error
	body.Newest, err = b.Store.RecentlyChanged(recentStreams, body.System)
	return view{Title: "Streams", Tab: "streams", Body: body}, err
}

type streamBody struct {
	Name         string
	Events       []store.Resolved
	Empty        bool   // the stream exists but has no visible events
	Deleted      bool   // it is tombstoned
	Metadata     bool   // it holds the metadata of another stream
	Newer, Older *int64 // where the neighboring pages begin, nil if there is none
	Oldest       int64  // where the last page begins
}

// stream shows the events of a stream, newest first.
func (b *browser) stream(r *http.Request) (view, error) {
	name, err := streamName(r, "name")
	if err != nil {
		return view{}, err
	}
	from, err := number(r, "from", store.DeletedRevision)
	if err != nil {
		return view{}, err
	}
	body := streamBody{Name: name, Metadata: strings.HasPrefix(name, "$$"), Oldest: pageSize - 1}
	if first, _, ok := b.Store.Bounds(name); ok {
		body.Oldest += first
	}
	state, err := b.fill(&body, from)
	if err == nil && state == store.Missing {
		err = notFound("There is no stream %s, or it was deleted.", name)
	}
	return view{Title: name, Tab: "streams", Body: body}, err
}

// fill reads a page's worth of events. Expired ones leave gaps, so it may take several
// reads.
func (b *browser) fill(body *streamBody, from int64) (store.State, error) {
	for range pagesPerView {
		page, err := b.Store.ReadStream(body.Name, from, store.Backwards, pageSize-len(body.Events))
		if err != nil || page.State == store.Missing {
			return page.State, err
		}
		if body.Deleted = page.State == store.Tombstoned; body.Deleted {
			return page.State, nil
		}
		if from < page.Last && body.Newer == nil {
			newer := from + pageSize
			body.Newer = &newer
		}
		if err := b.add(body, page.Events); err != nil {
			return page.State, err
		}
		if from = page.Next; page.End {
			break
		}
		if body.Older = &from; len(body.Events) == pageSize {
			break
		}
	}
	body.Empty = len(body.Events) == 0
	return store.Present, nil
}

func (b *browser) add(body *streamBody, records []store.Record) error {
	for _, record := range records {
		event, err := b.Store.Resolve(record)
		if err != nil {
			return err
		}
		body.Events = append(body.Events, event)
	}
	return nil
}

type eventBody struct {
	Stream         string
	Revision       int64
	Link           *store.Record // nil if the event is not a link
	Event          *store.Record // nil if the link's target is gone
	Older, Newer   *int64
	Data, Metadata text
	LinkMetadata   text
}

// event shows one event; for a link also the event it points at.
func (b *browser) event(r *http.Request) (view, error) {
	name, err := streamName(r, "stream")
	if err != nil {
		return view{}, err
	}
	revision, err := number(r, "revision", 0)
	if err != nil {
		return view{}, err
	}
	record, ok, err := b.Store.Event(name, revision)
	if err == nil && !ok {
		err = notFound("There is no event %d@%s, or no longer.", revision, name)
	}
	if err != nil {
		return view{}, err
	}
	resolved, err := b.Store.Resolve(record)
	if err != nil {
		return view{}, err
	}
	body := eventBody{Stream: name, Revision: revision, Link: resolved.Link, Event: resolved.Event}
	body.describe()
	body.neighbours(b.Store.Bounds(name))
	return view{Title: place(&record), Tab: "streams", Body: body}, nil
}

func (b *eventBody) describe() {
	if b.Event != nil {
		b.Data, b.Metadata = present(b.Event.Data), present(b.Event.Metadata)
	}
	if b.Link != nil {
		b.LinkMetadata = present(b.Link.Metadata)
	}
}

func (b *eventBody) neighbours(first, last int64, _ bool) {
	if older := b.Revision - 1; older >= first {
		b.Older = &older
	}
	if newer := b.Revision + 1; newer <= last {
		b.Newer = &newer
	}
}
