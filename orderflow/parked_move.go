package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"orderflow/bridge"
	"orderflow/internal/config"
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
		defer g.Close()
		replayed, err := g.replay(cmd.Context(), *until)
		if err != nil {
			return g.wrapError("replay", err)
		}
		_, err = fmt.Fprintf(c.stderr, "%s: replayed %s; events that still cannot take effect are parked again, with new numbers\n",
			g, describeRange(replayed))
		return err
	}
	return cmd
}

// replay replays the parked events up to until, and returns which.
func (g *group) replay(ctx context.Context, until number) (bridge.Selection, error) {
	readCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	selected, err := g.selectUntil(readCtx, until)
	if err == nil {
		err = g.parked().Replay(ctx, selected)
	}
	if errors.Is(err, bridge.ErrNoConsumer) {
		err = fmt.Errorf("no starter has joined %s to take the events: start one first", g)
	}
	return selected, conflictError(err, "replayed")
}

// conflictError returns an error that says what to do when another command or program
// came first.
func conflictError(err error, done string) error {
	switch {
	case errors.Is(err, bridge.ErrReplaying):
		return fmt.Errorf("another replay of the parked events is running: nothing was %s, list them again when it has ended", done)
	case errors.Is(err, bridge.ErrChanged):
		return fmt.Errorf("the parked events were replayed or dropped meanwhile: nothing was %s, list them again", done)
	}
	return err
}

// selectUntil selects the parked events up to until. It returns an error for a number
// that is not parked, for the server would take it for another boundary.
func (g *group) selectUntil(ctx context.Context, until number) (bridge.Selection, error) {
	all, err := g.parked().Select(ctx)
	switch {
	case errors.Is(err, bridge.ErrNotParked):
		return all, fmt.Errorf("%s has parked nothing", g)
	case err != nil || !until.set:
		return all, err
	}
	selected, err := all.Until(until.value)
	if err != nil {
		return all, fmt.Errorf("%s has parked no event %d, but %s", g, until.value, describeRange(all))
	}
	return selected, nil
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
		defer g.Close()
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
	selected, err := g.selectUntil(readCtx, until)
	if err != nil {
		return err
	}
	if !yes {
		if err := c.confirmDrop(ctx, readCtx, g, selected); err != nil {
			return err
		}
	}
	dropCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	if err := g.parked().Drop(dropCtx, selected); err != nil {
		return conflictError(err, "dropped")
	}
	_, err = fmt.Fprintf(c.stderr, "%s: dropped %s; the events themselves stay in their streams\n", g, describeRange(selected))
	return err
}

// confirmDrop shows the events and asks the operator. It waits for the answer until ctx
// ends.
func (c *cli) confirmDrop(ctx, readCtx context.Context, g *group, s bridge.Selection) error {
	page, err := g.page(readCtx, s.First, int(min(s.Len(), shownBeforeDrop)))
	if err != nil {
		return err
	}
	page.Next = nil
	if err := g.printTable(c.stdout, page); err != nil {
		return err
	}
	if hidden := s.Len() - uint64(len(page.Parked)); hidden > 0 {
		if _, err := fmt.Fprintf(c.stdout, "and %d more\n", hidden); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(c.stdout, "drop %s of %s? [y/N] ", describeRange(s), g); err != nil {
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

// describeRange returns the count and numbers of the selected parked events.
func describeRange(s bridge.Selection) string {
	if s.Len() == 1 {
		return fmt.Sprintf("1 event, number %d", s.First)
	}
	return fmt.Sprintf("%d events, numbers %d to %d", s.Len(), s.First, s.Last)
}
