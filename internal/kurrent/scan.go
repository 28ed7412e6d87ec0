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
	// scanWindow is after how many events that a scan leaves out the server says how far it has got: often enough not to
	// pass for dead, seldom enough not to matter.
	scanWindow = 1_000

	// scanSilence bounds the wait for the server's next word in a scan.
	scanSilence = 30 * time.Second

	// scanTries bounds the attempts to go on with a scan that was cut off, without an event in between.
	scanTries = 5

	// scanClock is how far the server's clock may have been set back: written before an event with an earlier time is
	// believed only by this much.
	scanClock = time.Minute
)

// Scan says which events of the whole log are visited.
type Scan struct {
	Types []string  // of exactly these types, in whatever streams
	Since time.Time // written then or later; zero is from the beginning
}

// Scan visits events of the whole log in the order in which they were written, up to where the log ended when the scan
// got there. They are read from $all, which holds what was written itself and no link, so that it depends on no projection;
// and which keeps the events of a deleted stream until they are scavenged. The server leaves out what is not asked for.
//
// It ends early with visit's error. A connection that breaks is taken up again behind the last event that was visited. A
// nil error means that every event there was has been visited. Reading $all takes a right that only administrators have
// unless they gave it: else it is ErrAccessDenied.
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
			err = ErrClosed // all of it may have been on its way already: closing is an end all the same
		}
		switch {
		case err == nil, s.refused != nil:
			return s.refused
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

// scanner is one scan under way.
type scanner struct {
	client  *Client
	scan    Scan
	visit   func(Event) error
	refused error              // by visit
	after   kurrentdb.Position // everything up to here is done with; the zero position is before the first event
}

// seek finds the place behind which everything was written since the scan's time, going back from the end: so it takes as
// long as what has happened since, and not as the whole log.
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
			return nil // all of the log is that young
		}
	}
}

// readBack reads a page of the log backwards: what was written before from.
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

// follow subscribes to the log behind what is done with, on a connection of its own, until the server says that there is no
// more.
func (s *scanner) follow(ctx context.Context) error {
	lending, cancelLending := s.client.bounded(ctx)
	defer cancelLending()
	client, err := s.client.pool.get(lending)
	if err != nil {
		return err
	}
	s.client.pool.detach(client)
	defer closeClient(client)
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	stop := context.AfterFunc(s.client.closing, func() { end(ErrClosed) })
	defer stop()
	// The client's calls know no deadline of their own. What takes place between them, visiting, has all the time it needs.
	silence := time.AfterFunc(scanSilence, func() { end(fmt.Errorf("%w: the server is silent", ErrUnavailable)) })
	defer silence.Stop()
	err = guarded(life, client, func(life context.Context, client *kurrentdb.Client) error {
		subscription, err := subscribeToAll(life, client, s.options())
		if err != nil {
			return err
		}
		for {
			message := subscription.Recv()
			silence.Stop()
			if done, err := s.take(message); done || err != nil {
				return err
			}
			silence.Reset(scanSilence)
		}
	})
	if s.refused != nil {
		return s.refused
	}
	return translate(life, err)
}

func (s *scanner) options() kurrentdb.SubscribeToAllOptions {
	options := kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Start{}, MaxSearchWindow: scanWindow, CheckpointInterval: 1,
		// By prefix and not by a pattern, which is compiled and tried on every event of the log.
		Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: s.scan.Types},
	}
	if s.after != (kurrentdb.Position{}) {
		options.From = s.after
	}
	return options
}

// take does with one message what it asks for, and tells whether it was the last one.
func (s *scanner) take(message *kurrentdb.SubscriptionEvent) (done bool, err error) {
	switch {
	case message.SubscriptionDropped != nil:
		return false, message.SubscriptionDropped.Error
	case message.CheckPointReached != nil:
		s.after = *message.CheckPointReached
		return false, nil
	case message.EventAppeared == nil:
		return true, nil // all was sent; servers before 25.1 say so without a time, which the client makes an empty message of
	}
	e := message.EventAppeared.OriginalEvent()
	if e == nil || e.Position.Commit == math.MaxUint64 {
		return false, errors.New("event is without its position")
	}
	if slices.Contains(s.scan.Types, e.EventType) && !e.CreatedDate.Before(s.scan.Since) {
		if s.refused = s.visit(*eventOf(e)); s.refused != nil {
			return false, s.refused
		}
	}
	s.after = e.Position
	return false, nil
}
