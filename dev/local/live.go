package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

// live appends the requested orders, then generated ones, and shows the progress of every
// order until ctx is done.
func (s *session) live(ctx context.Context) error {
	group, working := errgroup.WithContext(ctx)
	display := s.display(working, group)
	s.notify = display.say
	group.Go(func() error {
		if err := s.appendAll(working, s.tracker()); err != nil {
			return err
		}
		return s.generate(working)
	})
	err := group.Wait()
	if ctx.Err() != nil { // stopped on request: interrupted calls are not errors
		return nil
	}
	return err
}

// display starts a table on a terminal and plain lines elsewhere.
func (s *session) display(ctx context.Context, group *errgroup.Group) display {
	h := newHinter(s.stack.Description, s.binDir)
	links := s.links()
	if s.options.rate > 0 {
		links = append(links, link{"generating", fmt.Sprintf("%v orders per second with --seed %d", s.options.rate, s.options.seed)})
	}
	if !onTerminal(s.stdout) {
		shown := newLines(s.stderr, links, h.hints(nil))
		group.Go(func() error {
			s.watch(ctx, watchedLines, shown)
			return nil
		})
		return shown
	}
	height := func() int { return heightOf(s.stdout) }
	shown := newTable(s.stdout, height, board{links: links, hints: h.hints(nil), now: time.Now()}, h)
	group.Go(func() error {
		s.watch(ctx, shownRows, shown)
		return nil
	})
	return shown
}

// onTerminal reports whether out is a terminal that can be drawn on.
func onTerminal(out any) bool {
	file, ok := out.(*os.File)
	return ok && term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
}
