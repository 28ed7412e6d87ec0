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

// shownBeforeDrop is how many of the events to be dropped are shown before asking.
const shownBeforeDrop = 20

// replayParked makes the server deliver parked events again to a running bridge.
func replayParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var until numberFlag
	flags.Var(&until, "until", "up to and including the parked event with this `number`; default all")
	_, invalid := c.Parse(flags)
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	readCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := p.events.ParkedBoundary(readCtx, p.stream, p.group)
	var first, last uint64
	if err == nil {
		first, last, err = p.rangeUntil(readCtx, until)
	}
	if err == nil {
		err = p.requireConsumer(readCtx)
	}
	if err == nil {
		err = p.replay(ctx, boundary, last)
	}
	if err != nil {
		return p.wrapError("replay", err)
	}
	_, err = fmt.Fprintf(c.Stderr, "%s: replayed %s; events that still cannot take effect are parked again, with new numbers\n",
		p.name(), describeRange(first, last))
	return err
}

// replayTimeout bounds the wait for the end of a replay.
const replayTimeout = 2 * time.Minute

// replay makes the server replay from the boundary at which the operator's numbers were
// read, and from no other. Then it restores who may read and drop parked events, for the
// server resets that to $admins. A lost response does not matter if the end of the replay
// is seen.
func (p *parkedGroup) replay(ctx context.Context, boundary kurrent.ParkedBoundary, last uint64) error {
	ctx, cancel := context.WithTimeout(ctx, replayTimeout)
	defer cancel()
	claimed, asked := p.events.ReplayParked(ctx, p.stream, p.group, boundary, last)
	if asked != nil && !claimed.Claimed() {
		return conflictError(asked, "replayed")
	}
	left, err := p.events.KeepParkedAccess(ctx, p.stream, p.group, claimed)
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
func (p *parkedGroup) requireConsumer(ctx context.Context) error {
	info, err := p.events.GroupInfo(ctx, p.stream, p.group)
	if err == nil && info.Consumers == 0 {
		err = fmt.Errorf("no starter has joined %s to take the events: start one first", p.name())
	}
	return err
}

// rangeUntil returns the range from the oldest parked event to until. It returns an error
// for a number that is not parked, for the server would take it for another boundary.
func (p *parkedGroup) rangeUntil(ctx context.Context, until numberFlag) (first, last uint64, err error) {
	first, last, found, err := p.events.ParkedRange(ctx, p.stream, p.group)
	switch {
	case err != nil:
		return 0, 0, err
	case !found:
		return 0, 0, fmt.Errorf("%s has parked nothing", p.name())
	case !until.set:
		return first, last, nil
	case until.value < first || until.value > last:
		return 0, 0, fmt.Errorf("%s has parked no event %d, but %s", p.name(), until.value, describeRange(first, last))
	}
	return first, until.value, nil
}

// dropParked hides parked events from the parked stream, after the operator has confirmed
// it.
func dropParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var until numberFlag
	flags.Var(&until, "until", "up to and including the parked event with this `number`")
	yes := flags.Bool("yes", false, "do not ask")
	_, invalid := c.Parse(flags)
	switch {
	case invalid != nil:
	case !until.set:
		invalid = config.Invalid("--until", "is required")
	case !*yes && !term.IsTerminal(int(c.Stdin.Fd())):
		invalid = config.Invalid("--yes", "is required without a terminal to ask on")
	}
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	if err := p.drop(ctx, until, *yes); err != nil {
		return p.wrapError("drop", err)
	}
	return nil
}

// drop moves the boundary, but only from the position at which the operator saw the
// events behind it.
func (p *parkedGroup) drop(ctx context.Context, until numberFlag, yes bool) error {
	readCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := p.events.ParkedBoundary(readCtx, p.stream, p.group)
	if err != nil {
		return err
	}
	first, last, err := p.rangeUntil(readCtx, until)
	if err != nil {
		return err
	}
	if !yes {
		if err := p.confirmDrop(ctx, readCtx, first, last); err != nil {
			return err
		}
	}
	dropCtx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	if err := p.events.DropParked(dropCtx, p.stream, p.group, boundary, last); err != nil {
		return conflictError(err, "dropped")
	}
	_, err = fmt.Fprintf(p.Stderr, "%s: dropped %s; the events themselves stay in their streams\n", p.name(), describeRange(first, last))
	return err
}

// confirmDrop shows the events and asks the operator. It waits for the answer until ctx
// ends.
func (p *parkedGroup) confirmDrop(ctx, readCtx context.Context, first, last uint64) error {
	page, err := p.page(readCtx, first, int(min(last-first+1, shownBeforeDrop)))
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
	if _, err := fmt.Fprintf(p.Stdout, "drop %s of %s? [y/N] ", describeRange(first, last), p.name()); err != nil {
		return err
	}
	answers := make(chan string, 1)
	go func() { // no context ends a read from a terminal; the process's exit does
		line, _ := bufio.NewReader(p.Stdin).ReadString('\n')
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
