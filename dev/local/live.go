package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"orderflow/dev/local/internal/orders"
	"orderflow/dev/sampledata"
	"orderflow/internal/temporalclient"
)

// live appends the requested orders, then generated ones, and shows the progress of every
// order until ctx is done.
func (s *session) live(ctx context.Context) error {
	options, err := s.stack.TemporalOptions()
	if err != nil {
		return err
	}
	temporal, err := temporalclient.Dial(ctx, options, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer temporal.Close()
	shown, most := s.display()
	s.notify = shown.say
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error {
		watch(working, &orders.Recent{Workflows: temporal, States: s.api, Most: most}, shown)
		return nil
	})
	group.Go(func() error {
		if err := s.appendAll(working, func(sampledata.Stream) {}); err != nil {
			return err
		}
		return s.generate(working)
	})
	err = group.Wait()
	if ctx.Err() != nil { // stopped on request: interrupted calls are not errors
		return nil
	}
	return err
}

// display returns a table on a terminal and plain lines elsewhere, and how many of the
// newest orders to show.
func (s *session) display() (shown display, most int) {
	h := newHinter(s.stack.Description, s.binDir, s.stack.Access().Token != "")
	links := s.links()
	if s.options.rate > 0 {
		links = append(links, link{"generating", fmt.Sprintf("%v orders per second with --seed %d", s.options.rate, s.options.seed)})
	}
	if !onTerminal(s.stdout) {
		return newLines(s.stderr, links, h.hints(nil)), watchedLines
	}
	height := func() int { return heightOf(s.stdout) }
	return newTable(s.stdout, height, board{links: links, hints: h.hints(nil), now: time.Now()}, h), shownRows
}

// onTerminal reports whether out is a terminal that can be drawn on.
func onTerminal(out any) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
}
