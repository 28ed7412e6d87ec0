package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// shownBeforeDrop is how many of the events to be dropped are shown before asking.
const shownBeforeDrop = 20

// replayParked makes the server deliver parked events again to a running starter.
func (c *cli) replayParked() *cobra.Command {
	cmd := &cobra.Command{
		Use: "replay", Short: "deliver parked events again, once the cause is fixed", Args: c.takes(),
	}
	until := numberFlag(cmd, "until", "up to and including the parked event with this number; default all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		g, err := c.openGroup()
		if err != nil {
			return err
		}
		defer g.events.Close()
		first, last, err := g.replayUntil(cmd.Context(), *until)
		if err != nil {
			return g.wrapError("replay", err)
		}
		_, err = fmt.Fprintf(c.stderr, "%s: replayed %s; events that still cannot take effect are parked again, with new numbers\n",
			g, describeRange(first, last))
		return err
	}
	return cmd
}

// replayUntil replays the parked events up to until, and returns their range.
func (g *group) replayUntil(ctx context.Context, until number) (first, last uint64, err error) {
	readCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := g.events.ParkedBoundary(readCtx, g.Stream, g.Group)
	if err != nil {
		return 0, 0, err
	}
	if first, last, err = g.rangeUntil(readCtx, until); err != nil {
		return 0, 0, err
	}
	if err := g.requireConsumer(readCtx); err != nil {
		return 0, 0, err
	}
	return first, last, g.replay(ctx, boundary, last)
}

// replayTimeout bounds the wait for the end of a replay.
const replayTimeout = 2 * time.Minute

// replay makes the server replay from the boundary at which the operator's numbers were
// read, and from no other. Then it restores who may read and drop parked events, for the
// server resets that to $admins. A lost response does not matter if the end of the replay
// is seen.
func (g *group) replay(ctx context.Context, boundary kurrent.ParkedBoundary, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	claimed, asked := g.events.ReplayParked(ctx, g.Stream, g.Group, boundary, last)
	if asked != nil && !claimed.Claimed() {
		return conflictError(asked, "replayed")
	}
	left, err := g.events.AwaitReplay(ctx, g.Stream, g.Group, claimed)
	switch {
	case err != nil:
		return fmt.Errorf("the replay was requested, but the parked stream's metadata was not restored; it was %s before: %w",
			claimed.Metadata(), errors.Join(asked, err))
	case left != last+1:
		return fmt.Errorf("another replay or drop intervened, and the remaining events begin at number %d: list them again", left)
	}
	return nil
}

// conflictError returns an error that says what to do when another command or program
// came first.
func conflictError(err error, done string) error {
	switch {
	case errors.Is(err, kurrent.ErrReplaying):
		return fmt.Errorf("another replay of the parked events is running: nothing was %s, list them again when it has ended", done)
	case errors.Is(err, kurrent.ErrWrongRevision):
		return fmt.Errorf("the parked events were replayed or dropped meanwhile: nothing was %s, list them again", done)
	}
	return err
}

// requireConsumer returns an error if no consumer has joined the group. The server
// removes replayed events from the parked stream, and keeps them only in memory until a
// consumer has acknowledged them.
func (g *group) requireConsumer(ctx context.Context) error {
	info, err := g.events.GroupInfo(ctx, g.Stream, g.Group)
	if err == nil && info.Consumers == 0 {
		err = fmt.Errorf("no starter has joined %s to take the events: start one first", g)
	}
	return err
}

// rangeUntil returns the range from the oldest parked event to until. It returns an error
// for a number that is not parked, for the server would take it for another boundary.
func (g *group) rangeUntil(ctx context.Context, until number) (first, last uint64, err error) {
	first, last, found, err := g.events.ParkedRange(ctx, g.Stream, g.Group)
	switch {
	case err != nil:
		return 0, 0, err
	case !found:
		return 0, 0, fmt.Errorf("%s has parked nothing", g)
	case !until.set:
		return first, last, nil
	case until.value < first || until.value > last:
		return 0, 0, fmt.Errorf("%s has parked no event %d, but %s", g, until.value, describeRange(first, last))
	}
	return first, until.value, nil
}

// dropParked hides parked events from the parked stream, after the operator has confirmed
// it.
func (c *cli) dropParked() *cobra.Command {
	cmd := &cobra.Command{
		Use: "drop", Short: "drop parked events permanently; asks first, unless --yes is given", Args: c.takes(),
	}
	until := numberFlag(cmd, "until", "up to and including the parked event with this number")
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var invalid error
		switch {
		case !until.set:
			invalid = config.Invalid("--until", "is required")
		case !*yes && !term.IsTerminal(int(c.stdin.Fd())):
			invalid = config.Invalid("--yes", "is required without a terminal to ask on")
		}
		g, err := c.openGroup(invalid)
		if err != nil {
			return err
		}
		defer g.events.Close()
		if err := c.drop(cmd.Context(), g, *until, *yes); err != nil {
			return g.wrapError("drop", err)
		}
		return nil
	}
	return cmd
}

// drop moves the boundary, but only from the position at which the operator saw the
// events behind it.
func (c *cli) drop(ctx context.Context, g *group, until number, yes bool) error {
	readCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := g.events.ParkedBoundary(readCtx, g.Stream, g.Group)
	if err != nil {
		return err
	}
	first, last, err := g.rangeUntil(readCtx, until)
	if err != nil {
		return err
	}
	if !yes {
		if err := c.confirmDrop(ctx, readCtx, g, first, last); err != nil {
			return err
		}
	}
	dropCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	if err := g.events.DropParked(dropCtx, g.Stream, g.Group, boundary, last); err != nil {
		return conflictError(err, "dropped")
	}
	_, err = fmt.Fprintf(c.stderr, "%s: dropped %s; the events themselves stay in their streams\n", g, describeRange(first, last))
	return err
}

// confirmDrop shows the events and asks the operator. It waits for the answer until ctx
// ends.
func (c *cli) confirmDrop(ctx, readCtx context.Context, g *group, first, last uint64) error {
	page, err := g.page(readCtx, first, int(min(last-first+1, shownBeforeDrop)))
	if err != nil {
		return err
	}
	page.Next = nil
	if err := g.printTable(c.stdout, page); err != nil {
		return err
	}
	if hidden := last - first + 1 - uint64(len(page.Parked)); hidden > 0 {
		if _, err := fmt.Fprintf(c.stdout, "and %d more\n", hidden); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(c.stdout, "drop %s of %s? [y/N] ", describeRange(first, last), g); err != nil {
		return err
	}
	answers := make(chan string, 1)
	go func() { // no context ends a read from a terminal; the process's exit does
		line, _ := bufio.NewReader(c.stdin).ReadString('\n')
		answers <- line
	}()
	select {
	case <-ctx.Done():
		return errors.New("nothing was dropped")
	case line := <-answers:
		if reply := strings.ToLower(strings.TrimSpace(line)); reply != "y" && reply != "yes" {
			return errors.New("nothing was dropped")
		}
		return nil
	}
}

// describeRange returns the count and numbers of the parked events from first to last.
func describeRange(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("1 event, number %d", first)
	}
	return fmt.Sprintf("%d events, numbers %d to %d", last-first+1, first, last)
}
