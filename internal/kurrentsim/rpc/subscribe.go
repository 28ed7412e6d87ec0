package rpc

import (
	"math"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/protobuf/types/known/timestamppb"

	"orderflow/internal/kurrentsim/store"
)

// confirm is the first message of every subscription; the client waits for it.
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

// subscribeStream follows one stream: what is there, caught_up, then what comes. It never falls behind its own cursor, so
// caught_up is sent once.
func (r *reader) subscribeStream(options *streams.ReadReq_Options_StreamOptions) error {
	name := nameOf(options.GetStreamIdentifier())
	if err := store.ValidateStream(name); err != nil {
		return err
	}
	last := r.service.Store.LastRevision(name)
	if last == store.DeletedRevision {
		return &store.DeletedError{Stream: name}
	}
	next := r.streamAfter(options, last)
	if err := r.confirm(); err != nil {
		return err
	}
	for live := false; ; {
		changed := r.service.Store.Changed()
		page, err := r.service.Store.ReadStream(name, next, store.Forwards, readPage)
		if err != nil {
			return err
		}
		if page.State == store.Tombstoned {
			return r.deliverTombstone(name)
		}
		if err := r.send(page.Events); err != nil {
			return err
		}
		next = max(next, page.Next)
		if !page.End {
			continue
		}
		if !live {
			err = r.out(streamCaughtUp(next - 1))
		}
		if live = true; err == nil {
			err = r.wait(changed)
		}
		if err != nil {
			return err
		}
	}
}

// streamAfter is the revision a subscription delivers first: it starts behind the one it is given.
func (r *reader) streamAfter(options *streams.ReadReq_Options_StreamOptions, last int64) int64 {
	switch options.GetRevisionOption().(type) {
	case *streams.ReadReq_Options_StreamOptions_Revision:
		return int64(min(options.GetRevision(), math.MaxInt64-1)) + 1
	case *streams.ReadReq_Options_StreamOptions_End:
		return last + 1
	}
	return 0
}

// deliverTombstone ends a subscription whose stream was deleted for ever: with the event that says so, then the error.
func (r *reader) deliverTombstone(name string) error {
	tombstone, ok, err := r.service.Store.TombstoneOf(name)
	if err != nil {
		return err
	}
	if ok {
		err = r.out(toReadEvent(store.Resolved{Event: &tombstone}))
	}
	if err != nil {
		return err
	}
	return &store.DeletedError{Stream: name}
}

func streamCaughtUp(revision int64) *streams.ReadResp {
	caughtUp := &streams.ReadResp_CaughtUp{Timestamp: timestamppb.Now()}
	if revision >= 0 {
		caughtUp.StreamRevision = &revision
	}
	return &streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: caughtUp}}
}
