package rpc

import (
	"slices"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"orderflow/dev/kurrentsim/store"
)

// allSubscription follows the global order.
type allSubscription struct {
	*reader
	cursor     store.Cursor
	after      uint64 // what the caller has seen; it may lie behind the end of the log
	sent       uint64 // position of the last event sent, or of what the caller has seen
	position   uint64 // of the last event considered
	considered int    // events since the last checkpoint
	moved      bool   // whether any event was considered
	interval   int    // events between checkpoints; 0 without a filter, which gets no checkpoints
	checkpoint uint64 // position of the last checkpoint sent, 0 if there is none
	live       bool
}

func (r *reader) subscribeAll(options *streams.ReadReq_Options_AllOptions) error {
	interval, err := r.checkpointInterval()
	if err != nil {
		return err
	}
	sub := &allSubscription{reader: r, interval: interval}
	sub.start(options)
	if err := r.confirm(); err != nil {
		return err
	}
	switch {
	case r.options.GetFilter() != nil && interval == 0: // invalid window, which a real node only notices at the first event
		return errThrown
	case !r.service.Store.Holds(sub.after):
		return status.Error(codes.InvalidArgument, "Trying to read from an invalid position.")
	}
	for {
		changed := r.service.Store.Changed()
		end, err := sub.advance()
		if err != nil {
			return err
		}
		if !end {
			continue
		}
		if err := sub.caughtUp(); err != nil {
			return err
		}
		if err := r.wait(changed); err != nil {
			return err
		}
	}
}

// checkpointInterval returns the window times the multiplier of the request. It is 0
// without a filter or a window.
func (r *reader) checkpointInterval() (int, error) {
	options := r.options.GetFilter()
	if options == nil {
		return 0, nil
	}
	if options.GetCheckpointIntervalMultiplier() == 0 {
		return 0, errThrown
	}
	window := uint64(readPage)
	if _, bounded := options.GetWindow().(*streams.ReadReq_Options_FilterOptions_Max); bounded {
		window = uint64(options.GetMax())
	}
	return int(min(window*uint64(options.GetCheckpointIntervalMultiplier()), 1<<31)), nil
}

// start puts the cursor behind the requested position.
func (s *allSubscription) start(options *streams.ReadReq_Options_AllOptions) {
	switch {
	case options.GetPosition() != nil:
		s.position = options.GetPosition().GetCommitPosition()
		s.cursor = s.service.Store.CursorAfter(s.position)
	case options.GetEnd() != nil:
		s.cursor, s.position = s.service.Store.EndCursor(), s.service.Store.LastPosition()
	}
	s.after, s.sent = s.position, s.position
}

// advance reads and sends one page. Windows end where a checkpoint is due.
func (s *allSubscription) advance() (end bool, err error) {
	window := scanWindow
	if s.interval > 0 {
		window = min(window, s.interval-s.considered)
	}
	page, err := s.service.Store.ReadAll(store.AllQuery{
		From: s.cursor, Limit: readPage, Window: window, Filter: s.filter,
	})
	if err != nil {
		return false, err
	}
	unseen := slices.IndexFunc(page.Events, func(e store.Record) bool { return e.Position > s.after })
	if unseen >= 0 {
		err = s.send(page.Events[unseen:])
		s.sent = page.Events[len(page.Events)-1].Position
	}
	if err != nil {
		return false, err
	}
	s.cursor = page.Next
	if page.Considered > 0 {
		s.position = max(s.position, page.Position)
		s.considered += page.Considered
		s.moved = true
	}
	if s.interval > 0 && s.considered >= s.interval && s.position > max(s.checkpoint, s.after) {
		err = s.sendCheckpoint(s.position)
	}
	return page.End, err
}

func (s *allSubscription) sendCheckpoint(position uint64) error {
	s.considered, s.checkpoint = 0, position
	return s.out(&streams.ReadResp{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{
		CommitPosition: position, PreparePosition: position, Timestamp: timestamppb.Now(),
	}}})
}

// caughtUp sends caught_up, with a checkpoint before it if anything was read. It is
// called once. Both are at the last event sent, not at the last one looked at, unless an
// earlier checkpoint is further ahead: that one is not repeated.
func (s *allSubscription) caughtUp() error {
	if s.live {
		return nil
	}
	s.live = true
	at := max(s.sent, s.checkpoint)
	if s.interval > 0 && s.moved && at > s.checkpoint {
		if err := s.sendCheckpoint(at); err != nil {
			return err
		}
	}
	caughtUp := &streams.ReadResp_CaughtUp{}
	if s.service.Release.caughtUpPlace {
		caughtUp.Timestamp = timestamppb.Now()
		if at > 0 {
			caughtUp.Position = &streams.ReadResp_Position{CommitPosition: at, PreparePosition: at}
		}
	}
	return s.out(&streams.ReadResp{Content: &streams.ReadResp_CaughtUp_{CaughtUp: caughtUp}})
}
