package kurrent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/backoff"
)

const (
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

	// Progress, unless nil, is called after every message of the server and every failure,
	// with the position up to which everything was visited, so that the caller can tell a
	// long scan from one that hangs. The position is zero until the first message that has one.
	Progress func(Position)
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
		s.progress()
		if failures++; failures >= scanTries || backoff.Sleep(ctx, backoff.Jitter(connectBackoff.Max)) != nil {
			return fmt.Errorf("scan the log: %w", err)
		}
	}
}

// scanner is one scan in progress.
type scanner struct {
	client   *Client
	scan     Scan
	visit    func(Event) error
	visitErr error    // returned by visit
	after    Position // everything up to here has been visited; zero is before the first event
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
		s.progress()
		for _, e := range page {
			original := e.OriginalEvent()
			if original.CreatedDate.Before(s.scan.Since.Add(-scanClock)) {
				s.after = positionOf(original)
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
	events, _, err = receivePage(reading)
	return events, err
}

// follow visits the log after what has been visited, until its end.
func (s *scanner) follow(ctx context.Context) error {
	// By prefix and not by pattern, which would be compiled and tried on every event of
	// the log.
	filter := &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: s.scan.Types}
	return s.client.follow(ctx, followOptions(s.after, filter), scanSilence, s.visitStep)
}

// visitStep visits the step's event, and reports whether more of the log follows.
func (s *scanner) visitStep(step Step) (more bool) {
	e := step.Event
	if e != nil && slices.Contains(s.scan.Types, e.Type) && !e.Created.Before(s.scan.Since) {
		if s.visitErr = s.visit(*e); s.visitErr != nil {
			return false
		}
	}
	if step.Position != (Position{}) {
		s.after = step.Position
	}
	s.progress()
	return !step.CaughtUp
}

func (s *scanner) progress() {
	if s.scan.Progress != nil {
		s.scan.Progress(s.after)
	}
}
