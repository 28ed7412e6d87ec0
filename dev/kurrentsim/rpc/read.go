package rpc

import (
	"context"
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"

	"orderflow/dev/kurrentsim/store"
)

const (
	// readPage is how many events are fetched at a time, as on a real server.
	readPage = 32
	// scanWindow is how many events a filtered read looks at before it releases the
	// store's lock.
	scanWindow = 4096
)

// reader is one Read call.
type reader struct {
	service *Service
	ctx     context.Context
	options *streams.ReadReq_Options
	filter  *store.Filter
	uuids   uuidForm
	out     func(*streams.ReadResp) error
}

// Read serves limited reads and subscriptions, of one stream or of all.
func (s *streamsServer) Read(request *streams.ReadReq, stream streams.Streams_ReadServer) error {
	ctx, cancel := s.service.untilStopped(stream.Context())
	defer cancel()
	r := &reader{service: s.service, ctx: ctx, options: request.GetOptions(), out: stream.Send}
	r.uuids = uuidFormOf(r.options.GetUuidOption())
	err := r.run()
	if err != nil {
		return s.service.fail(ctx, err)
	}
	return nil
}

func (r *reader) run() error {
	if r.options.GetUuidOption() == nil {
		return invalid("uuid_option is missing")
	}
	if err := r.takeFilter(); err != nil {
		return err
	}
	if err := r.combination(); err != nil {
		return err
	}
	stream, all := r.options.GetStream(), r.options.GetAll()
	subscription := r.options.GetSubscription() != nil
	switch {
	case subscription && all != nil:
		return r.subscribeAll(all)
	case subscription:
		return r.subscribeStream(stream)
	case all != nil:
		return r.readAll(all)
	}
	return r.readStream(stream)
}

func (r *reader) takeFilter() error {
	options := r.options.GetFilter()
	if options == nil {
		return nil
	}
	expression, byType := options.GetEventType(), true
	if expression == nil {
		expression, byType = options.GetStreamIdentifier(), false
	}
	if expression == nil {
		return invalid("filter is missing")
	}
	filter, err := store.NewFilter(byType, expression.GetPrefix(), expression.GetRegex())
	r.filter = filter
	return err
}

// combination rejects combinations of options that a real node has no kind of read for.
func (r *reader) combination() error {
	source, count, direction, filter := "None", "None", "Forwards", "None"
	switch r.options.GetStreamOption().(type) {
	case *streams.ReadReq_Options_Stream:
		source = "Stream"
	case *streams.ReadReq_Options_All:
		source = "All"
	}
	switch r.options.GetCountOption().(type) {
	case *streams.ReadReq_Options_Count:
		count = "Count"
	case *streams.ReadReq_Options_Subscription:
		count = "Subscription"
	}
	if r.direction() == store.Backwards {
		direction = "Backwards"
	}
	switch r.options.GetFilterOption().(type) {
	case *streams.ReadReq_Options_NoFilter:
		filter = "NoFilter"
	case *streams.ReadReq_Options_Filter:
		filter = "Filter"
	}
	if source == "None" || count == "None" || filter == "None" ||
		source == "Stream" && filter == "Filter" || count == "Subscription" && direction == "Backwards" {
		return invalid(fmt.Sprintf("The combination of (%s, %s, %s, %s) is invalid.", source, count, direction, filter))
	}
	return nil
}

func (r *reader) direction() store.Direction {
	return r.options.GetReadDirection() == streams.ReadReq_Options_Backwards
}

func (r *reader) readStream(options *streams.ReadReq_Options_StreamOptions) error {
	name := nameOf(options.GetStreamIdentifier())
	if name == "" {
		return store.ErrInvalidStream
	}
	from, left := r.streamStart(options), r.options.GetCount()
	switch {
	case options.GetRevision() > math.MaxInt64:
		return errThrown
	case left == 0, options.GetEnd() != nil && r.direction() == store.Forwards:
		return errUnreadable
	}
	for left > 0 {
		page, err := r.service.Store.ReadStream(name, from, r.direction(), int(min(left, readPage)))
		if err != nil {
			return err
		}
		switch page.State {
		case store.Tombstoned:
			return &store.DeletedError{Stream: name}
		case store.Missing:
			return r.out(notFound(name))
		}
		if err := r.send(page.Events); err != nil || page.End {
			return err
		}
		left -= uint64(len(page.Events))
		from = page.Next
	}
	return nil
}

// streamStart returns the revision that a limited read begins with.
func (r *reader) streamStart(options *streams.ReadReq_Options_StreamOptions) int64 {
	switch options.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		return int64(options.GetRevision())
	case *streams.ReadReq_Options_StreamOptions_End:
		return math.MaxInt64
	}
	return 0
}

func notFound(name string) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_StreamNotFound_{
		StreamNotFound: &streams.ReadResp_StreamNotFound{StreamIdentifier: streamID(name)},
	}}
}

func (r *reader) readAll(options *streams.ReadReq_Options_AllOptions) error {
	left := r.options.GetCount()
	if left == 0 { // a real node sends nothing and never ends the call
		<-r.ctx.Done()
		return r.ctx.Err()
	}
	if !r.service.Store.Holds(options.GetPosition().GetCommitPosition()) {
		return errThrown
	}
	query := store.AllQuery{From: r.allStart(options), Direction: r.direction(), Filter: r.filter, Window: scanWindow}
	for left > 0 {
		query.Limit = int(min(left, readPage))
		page, err := r.service.Store.ReadAll(query)
		if err != nil {
			return err
		}
		if err := r.send(page.Events); err != nil || page.End {
			return err
		}
		left -= uint64(len(page.Events))
		query.From = page.Next
	}
	return nil
}

// allStart returns the cursor that a limited read begins at. A position is inclusive
// forwards and exclusive backwards.
func (r *reader) allStart(options *streams.ReadReq_Options_AllOptions) store.Cursor {
	switch {
	case options.GetPosition() != nil:
		return r.service.Store.CursorAt(options.GetPosition().GetCommitPosition())
	case options.GetEnd() != nil:
		return r.service.Store.EndCursor()
	}
	return 0
}

// send sends records, with links resolved if requested. It is also where a long read
// notices that the client has disconnected.
func (r *reader) send(records []store.Record) error {
	for i := range records {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		event := store.Resolved{Event: &records[i]}
		if r.options.GetResolveLinks() {
			resolved, err := r.service.Store.Resolve(records[i])
			if err != nil {
				return err
			}
			event = resolved
		}
		if err := r.out(toReadEvent(event, r.uuids)); err != nil {
			return err
		}
	}
	return r.ctx.Err()
}
