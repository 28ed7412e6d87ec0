package rpc

import (
	"math"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/protobuf/types/known/timestamppb"

	"orderflow/dev/kurrentsim/store"
)

// confirm sends the first message of every subscription; the client waits for it.
func (r *reader) confirm() error {
	return r.out(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: uuid.NewString()},
	}})
}

// wait returns when there may be more to read.
func (r *reader) wait(changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// streamSubscription follows one stream.
type streamSubscription struct {
	*reader
	name string
	next int64 // the next revision to read
	seen int64 // the last revision that was sent, or that the caller has already seen; -1 if there is none
	live bool  // it has caught up: metadata hides nothing of what is appended from now on
}

// subscribeStream follows one stream: it sends the existing events, then caught_up, then
// new events. It never falls behind its own cursor, so it sends caught_up once.
func (r *reader) subscribeStream(options *streams.ReadReq_Options_StreamOptions) error {
	name := nameOf(options.GetStreamIdentifier())
	if err := store.ValidateStream(name); err != nil {
		return err
	}
	if options.GetRevision() > math.MaxInt64 {
		return errThrown
	}
	last := r.service.Store.LastRevision(name)
	if last == store.DeletedRevision {
		return &store.DeletedError{Stream: name}
	}
	next := r.streamAfter(options, last)
	if err := r.confirm(); err != nil {
		return err
	}
	sub := &streamSubscription{reader: r, name: name, next: next, seen: next - 1}
	for {
		changed := r.service.Store.Changed()
		end, err := sub.advance()
		if err == nil && end {
			err = sub.caughtUp()
		}
		if err == nil && end {
			err = r.wait(changed)
		}
		if err != nil {
			return err
		}
	}
}

// advance reads and sends one page, and reports whether it was the last one for now.
func (s *streamSubscription) advance() (end bool, err error) {
	page, err := s.read()
	if err != nil {
		return false, err
	}
	if page.State == store.Tombstoned {
		return false, s.deliverTombstone(s.name)
	}
	if err := s.send(page.Events); err != nil {
		return false, err
	}
	if n := len(page.Events); n > 0 {
		s.seen = page.Events[n-1].Revision
	}
	s.next = max(s.next, page.Next)
	return page.End, nil
}

func (s *streamSubscription) read() (store.StreamPage, error) {
	if s.live {
		return s.service.Store.ReadAppended(s.name, s.next, readPage)
	}
	return s.service.Store.ReadStream(s.name, s.next, store.Forwards, readPage)
}

// caughtUp sends caught_up, with the last revision that was sent before it. It is called
// once.
func (s *streamSubscription) caughtUp() error {
	if s.live {
		return nil
	}
	s.live = true
	caughtUp := &streams.ReadResp_CaughtUp{}
	if s.service.Release.caughtUpPlace {
		caughtUp.Timestamp = timestamppb.Now()
		if s.seen >= 0 {
			caughtUp.StreamRevision = &s.seen
		}
	}
	return s.out(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: caughtUp}})
}

// streamAfter returns the first revision that a subscription delivers: the one behind the
// given revision.
func (r *reader) streamAfter(options *streams.ReadReq_Options_StreamOptions, last int64) int64 {
	switch options.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		return min(int64(options.GetRevision()), math.MaxInt64-1) + 1
	case *streams.ReadReq_Options_StreamOptions_End:
		return last + 1
	}
	return 0
}

// deliverTombstone ends a subscription whose stream was tombstoned: it sends the
// tombstone, then returns the error.
func (r *reader) deliverTombstone(name string) error {
	tombstone, ok, err := r.service.Store.TombstoneOf(name)
	if err != nil {
		return err
	}
	if ok {
		err = r.out(toReadEvent(store.Resolved{Event: &tombstone}, r.uuids))
	}
	if err != nil {
		return err
	}
	return &store.DeletedError{Stream: name}
}
