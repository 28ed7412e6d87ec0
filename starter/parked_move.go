package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"golang.org/x/term"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/subcommand"
)

// shownBeforeDrop is how many of the events that are to be dropped are shown before asking.
const shownBeforeDrop = 20

// replayParked makes the server deliver parked events again, to a bridge that runs.
func replayParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var until numbered
	flags.Var(&until, "until", "up to and including the parked event of this `number`; all there are without it")
	_, invalid := c.Parse(flags)
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	looking, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := p.events.ParkedBoundary(looking, p.stream, p.group)
	var first, last uint64
	if err == nil {
		first, last, err = p.upTo(looking, until)
	}
	if err == nil {
		err = p.requireConsumer(looking)
	}
	if err == nil {
		err = p.replay(ctx, boundary, last)
	}
	if err != nil {
		return p.explain("replay", err)
	}
	_, err = fmt.Fprintf(c.Stderr, "%s: replayed %s; what cannot have its effect is parked again, with a new number\n", p.name(), spanOf(first, last))
	return err
}

// replayTimeout bounds the wait for the end of a replay.
const replayTimeout = 2 * time.Minute

// replay makes the server replay from the boundary at which the operator's numbers were read, and from no other. Then it
// puts back who may read and drop what is parked: the server leaves that to $admins. An answer that is lost does not matter
// if the end of the replay is seen.
func (p *parkedGroup) replay(ctx context.Context, boundary kurrent.ParkedBoundary, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	claimed, asked := p.events.ReplayParked(ctx, p.stream, p.group, boundary, last)
	if asked != nil && !claimed.Claimed() {
		return explainConflict(asked, "replayed")
	}
	left, err := p.events.KeepParkedAccess(ctx, p.stream, p.group, claimed)
	switch {
	case err != nil:
		return fmt.Errorf("the server was asked, and the parked stream's metadata is not put back, which was %s before: %w",
			claimed.Metadata(), errors.Join(asked, err))
	case left != last+1:
		return fmt.Errorf("another replay or a drop came between, and what is left begins at number %d: list it again", left)
	}
	return nil
}

// explainConflict says what to do when another command, or another program, came first.
func explainConflict(err error, done string) error {
	switch {
	case errors.Is(err, kurrent.ErrReplaying):
		return fmt.Errorf("another replay of the parked events runs: nothing is %s, list them again when it has ended", done)
	case errors.Is(err, kurrent.ErrWrongRevision):
		return fmt.Errorf("the parked events were replayed or dropped meanwhile: nothing is %s, list them again", done)
	}
	return err
}

// requireConsumer returns an error if no consumer has joined the group: the server takes what it replays off the parked
// stream, and keeps it in memory alone until a consumer has acknowledged it.
func (p *parkedGroup) requireConsumer(ctx context.Context) error {
	info, err := p.events.GroupInfo(ctx, p.stream, p.group)
	if err == nil && info.Consumers == 0 {
		err = fmt.Errorf("no starter has joined %s to take the events: start one first", p.name())
	}
	return err
}

// upTo returns the range from the oldest parked event to until. It refuses a number that is not parked: the server would
// take it for another boundary.
func (p *parkedGroup) upTo(ctx context.Context, until numbered) (first, last uint64, err error) {
	first, last, found, err := p.events.ParkedRange(ctx, p.stream, p.group)
	switch {
	case err != nil:
		return 0, 0, err
	case !found:
		return 0, 0, fmt.Errorf("%s has parked nothing", p.name())
	case !until.set:
		return first, last, nil
	case until.value < first || until.value > last:
		return 0, 0, fmt.Errorf("%s has parked no event %d, but %s", p.name(), until.value, spanOf(first, last))
	}
	return first, until.value, nil
}

// dropParked hides parked events from the parked stream, after the operator has confirmed it.
func dropParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var until numbered
	flags.Var(&until, "until", "up to and including the parked event of this `number`")
	yes := flags.Bool("yes", false, "do not ask")
	_, invalid := c.Parse(flags)
	switch {
	case invalid != nil:
	case !until.set:
		invalid = config.Invalid("--until", "is required")
	case !*yes && !term.IsTerminal(int(c.Stdin.Fd())):
		invalid = config.Invalid("--yes", "is required where nobody can be asked")
	}
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	if err := p.drop(ctx, until, *yes); err != nil {
		return p.explain("drop", err)
	}
	return nil
}

// drop moves the boundary from where it was when the operator was shown what is behind it, and from no other place.
func (p *parkedGroup) drop(ctx context.Context, until numbered, yes bool) error {
	looking, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := p.events.ParkedBoundary(looking, p.stream, p.group)
	if err != nil {
		return err
	}
	first, last, err := p.upTo(looking, until)
	if err != nil {
		return err
	}
	if !yes {
		if err := p.askToDrop(ctx, looking, first, last); err != nil {
			return err
		}
	}
	dropping, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	if err := p.events.DropParked(dropping, p.stream, p.group, boundary, last); err != nil {
		return explainConflict(err, "dropped")
	}
	_, err = fmt.Fprintf(p.Stderr, "%s: dropped %s; the events themselves stay in their streams\n", p.name(), spanOf(first, last))
	return err
}

// askToDrop shows the events and asks the operator. It waits for the answer until ctx ends.
func (p *parkedGroup) askToDrop(ctx, looking context.Context, first, last uint64) error {
	page, err := p.page(looking, first, int(min(last-first+1, shownBeforeDrop)))
	if err != nil {
		return err
	}
	page.Next = nil
	if err := p.printTable(p.Stdout, page); err != nil {
		return err
	}
	if hidden := last - first + 1 - uint64(len(page.Parked)); hidden > 0 {
		if _, err := fmt.Fprintf(p.Stdout, "and %d more\n", hidden); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(p.Stdout, "drop %s of %s? [y/N] ", spanOf(first, last), p.name()); err != nil {
		return err
	}
	answered := make(chan string, 1)
	go func() { // a read from a terminal ends with no context; the process does
		line, _ := bufio.NewReader(p.Stdin).ReadString('\n')
		answered <- line
	}()
	select {
	case <-ctx.Done():
		return errors.New("nothing is dropped")
	case line := <-answered:
		if reply := strings.ToLower(strings.TrimSpace(line)); reply != "y" && reply != "yes" {
			return errors.New("nothing is dropped")
		}
		return nil
	}
}

// spanOf names the parked events from first to last.
func spanOf(first, last uint64) string {
	if first == last {
		return fmt.Sprintf("1 event, number %d", first)
	}
	return fmt.Sprintf("%d events, numbers %d to %d", last-first+1, first, last)
}
