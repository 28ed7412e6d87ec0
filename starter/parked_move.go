package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"golang.org/x/term"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/subcommand"
)

// shownBeforeDrop is how many of the events that are to be dropped are shown before asking.
const shownBeforeDrop = 20

// replayParked gives parked events back to the bridge that runs.
func replayParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var until numbered
	flags.Var(&until, "until", "up to and including the parked event of this `number`; all there are without it")
	_, invalid := c.Parse(flags)
	p, err := openParking(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	ctx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	boundary, err := p.events.ParkedBoundary(ctx, p.stream, p.group)
	var first, last uint64
	if err == nil {
		first, last, err = p.upTo(ctx, until)
	}
	if err == nil {
		err = p.attended(ctx)
	}
	if err == nil {
		err = p.replay(ctx, boundary, last)
	}
	if err != nil {
		return p.explain("replay", err)
	}
	_, err = fmt.Fprintf(c.Stderr, "%s: replaying %s; what cannot have its effect is parked again, with a new number\n", p.name(), spanOf(first, last))
	return err
}

// replay has the server replay from the boundary at which the operator's numbers were looked up, and from no other. Then it
// puts back who may read and drop what is parked: the server leaves that to $admins.
func (p *parking) replay(ctx context.Context, boundary kurrent.ParkedBoundary, last uint64) error {
	claimed, err := p.events.ReplayParked(ctx, p.stream, p.group, boundary, last)
	if err != nil {
		return p.moved(err, "replayed")
	}
	if err := p.events.KeepParkedAccess(ctx, p.stream, p.group, claimed); err != nil {
		_, err = fmt.Fprintf(p.Stderr, "%s: the access list of the parked stream could not be put back, and names $admins alone: %v\n", p.name(), err)
		return err
	}
	return nil
}

// moved says what to do when another command, or another program, came first.
func (p *parking) moved(err error, done string) error {
	switch {
	case errors.Is(err, kurrent.ErrReplaying):
		return fmt.Errorf("another replay of the parked events runs: nothing is %s, list them again when it has ended", done)
	case errors.Is(err, kurrent.ErrWrongRevision):
		return fmt.Errorf("the parked events were replayed or dropped meanwhile: nothing is %s, list them again", done)
	}
	return err
}

// attended refuses to replay to nobody: the server takes what it replays off the parked stream, and until somebody has
// answered for it remembers it in memory alone.
func (p *parking) attended(ctx context.Context) error {
	info, err := p.events.GroupInfo(ctx, p.stream, p.group)
	if err == nil && info.Consumers == 0 {
		err = fmt.Errorf("no starter has joined %s to take the events: start one first", p.name())
	}
	return err
}

// upTo gives the range from the oldest parked event to until. A number that is not parked is refused: the server would
// take it for another boundary.
func (p *parking) upTo(ctx context.Context, until numbered) (first, last uint64, err error) {
	first, last, any, err := p.events.ParkedRange(ctx, p.stream, p.group)
	switch {
	case err != nil:
		return 0, 0, err
	case !any:
		return 0, 0, fmt.Errorf("%s has parked nothing", p.name())
	case !until.set:
		return first, last, nil
	case until.value < first || until.value > last:
		return 0, 0, fmt.Errorf("%s has parked no event %d, but %s", p.name(), until.value, spanOf(first, last))
	}
	return first, until.value, nil
}

// dropParked gives parked events up for good, when somebody has said so.
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
	p, err := openParking(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	if err := p.drop(ctx, until, *yes); err != nil {
		return p.explain("drop", err)
	}
	return nil
}

// drop moves the boundary from where it was when the operator was shown what is behind it, and from nowhere else.
func (p *parking) drop(ctx context.Context, until numbered, yes bool) error {
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
		if err := p.confirm(ctx, looking, first, last); err != nil {
			return err
		}
	}
	dropping, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	if err := p.events.DropParked(dropping, p.stream, p.group, boundary, last); err != nil {
		return p.moved(err, "dropped")
	}
	_, err = fmt.Fprintf(p.Stderr, "%s: dropped %s; the events themselves stay in their streams\n", p.name(), spanOf(first, last))
	return err
}

// confirm shows the events and asks. It waits for as long as it takes, or until ctx ends.
func (p *parking) confirm(ctx, looking context.Context, first, last uint64) error {
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
		if answer := strings.ToLower(strings.TrimSpace(line)); answer != "y" && answer != "yes" {
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
