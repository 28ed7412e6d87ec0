package kurrent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

const (
	// scanWindow is the number of skipped events after which the server reports its
	// position: often enough that the scan is not taken for dead, seldom enough not to
	// matter.
	scanWindow = 1_000

	// scanSilence bounds the wait for the server's next message in a scan.
	scanSilence = 30 * time.Second

	// scanTries bounds the attempts to resume an interrupted scan without progress in
	// between.
	scanTries = 5

	// scanClock is how far the server's clock may have been set back. An event whose time
	// is earlier than Since by less than this does not prove that all events before it
	// are too old.
	scanClock = time.Minute
)

// Scan selects the events of the whole log to visit.
type Scan struct {
	Types []string  // exactly these types, in any stream
	Since time.Time // written then or later; zero means from the beginning
}

// Scan visits events of the whole log in the order in which they were written, up to the
// end of the log at the time the scan reaches it. It reads from $all, which holds only
// the events themselves and no links, so it depends on no projection. $all also keeps the
// events of a deleted stream until they are scavenged. The server filters by type.
//
// It stops at visit's first error and returns it. After a broken connection it resumes
// after the last visited event. A nil error means that every existing event has been
// visited. It returns ErrAccessDenied without the right to read $all, which only
// administrators have unless they grant it.
func (c *Client) Scan(ctx context.Context, scan Scan, visit func(Event) error) error {
	s := &scanner{client: c, scan: scan, visit: visit}
	if !scan.Since.IsZero() {
		if err := s.seek(ctx); err != nil {
			return fmt.Errorf("scan the log: %w", err)
		}
	}
	for failures := 0; ; {
		before := s.after
		err := s.follow(ctx)
		if err == nil && c.closing.Err() != nil {
			err = ErrClosed // everything may have been received already: a closed client returns ErrClosed all the same
		}
		switch {
		case err == nil, s.visitErr != nil:
			return s.visitErr
		case !errors.Is(err, ErrUnavailable), ctx.Err() != nil, c.closing.Err() != nil:
			return fmt.Errorf("scan the log: %w", err)
		case s.after != before:
			failures = 0
		}
		if failures++; failures >= scanTries || !pauseFor(ctx, longestPause) {
			return fmt.Errorf("scan the log: %w", err)
		}
	}
}

// scanner is one scan in progress.
type scanner struct {
	client   *Client
	scan     Scan
	visit    func(Event) error
	visitErr error              // returned by visit
	after    kurrentdb.Position // everything up to here has been visited; zero is before the first event
}

// seek finds a position after which everything was written since the scan's time. It
// reads backward from the end, so it takes time in proportion to the events since then,
// not to the whole log.
func (s *scanner) seek(ctx context.Context) error {
	var from kurrentdb.AllPosition = kurrentdb.End{}
	for {
		var page []*kurrentdb.ResolvedEvent
		err := s.client.call(ctx, func(ctx context.Context, client *kurrentdb.Client) (err error) {
			page, err = readBack(ctx, client, from)
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			original := e.OriginalEvent()
			if original.CreatedDate.Before(s.scan.Since.Add(-scanClock)) {
				s.after = original.Position
				return nil
			}
			from = original.Position
		}
		if len(page) == 0 {
			return nil // the whole log was written since then
		}
	}
}

// readBack reads a page of the log backward: what was written before from.
func readBack(ctx context.Context, client *kurrentdb.Client, from kurrentdb.AllPosition) (events []*kurrentdb.ResolvedEvent, err error) {
	options := kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: from}
	reading, err := client.ReadAll(ctx, options, pageEvents)
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	for size := 0; size < pageBytes; {
		e, err := reading.Recv()
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, err
		}
		events = append(events, e)
		size += sizeOf(e)
	}
	return events, nil
}

// follow subscribes to the log after what has been visited, on a connection of its own,
// until the server reports the end of the log.
func (s *scanner) follow(ctx context.Context) error {
	dialCtx, cancelDial := s.client.withDeadline(ctx)
	defer cancelDial()
	client, err := s.client.pool.get(dialCtx)
	if err != nil {
		return err
	}
	s.client.pool.detach(client)
	defer closeClient(client)
	subCtx, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(s.client.closing, func() { end(ErrClosed) })
	defer stop()
	// The client's calls have no deadline of their own. Visiting happens between them and
	// may take any time.
	silence := time.AfterFunc(scanSilence, func() { end(fmt.Errorf("%w: no message from the server", ErrUnavailable)) })
	defer silence.Stop()
	err = recoverPanics(subCtx, client, func(subCtx context.Context, client *kurrentdb.Client) error {
		subscription, err := subscribeToAll(subCtx, client, s.options())
		if err != nil {
			return err
		}
		for {
			message := subscription.Recv()
			silence.Stop()
			if done, err := s.handle(message); done || err != nil {
				return err
			}
			silence.Reset(scanSilence)
		}
	})
	if s.visitErr != nil {
		return s.visitErr
	}
	return translate(subCtx, err)
}

func (s *scanner) options() kurrentdb.SubscribeToAllOptions {
	options := kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: scanWindow, CheckpointInterval: 1,
		// By prefix and not by pattern, which would be compiled and tried on every event
		// of the log.
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: s.scan.Types},
	}
	if s.after != (kurrentdb.Position{}) {
		options.From = s.after
	}
	return options
}

// handle handles one message, and reports whether it was the last one.
func (s *scanner) handle(message *kurrentdb.SubscriptionEvent) (done bool, err error) {
	switch {
	case message.SubscriptionDropped != nil:
		return false, message.SubscriptionDropped.Error
	case message.CheckPointReached != nil:
		s.after = *message.CheckPointReached
		return false, nil
	case message.EventAppeared == nil:
		// Caught up. Servers before 25.1 send that without a time, and the client then
		// returns an empty message.
		return true, nil
	}
	e := message.EventAppeared.OriginalEvent()
	if e == nil || e.Position.Commit == math.MaxUint64 {
		return false, errors.New("event has no position")
	}
	if slices.Contains(s.scan.Types, e.EventType) && !e.CreatedDate.Before(s.scan.Since) {
		if s.visitErr = s.visit(*eventOf(e)); s.visitErr != nil {
			return false, s.visitErr
		}
	}
	s.after = e.Position
	return false, nil
}
