package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/subcommand"
)

// parkedTimeout bounds a command about parked events, without the time in which it waits
// for the operator's answer.
const parkedTimeout = 30 * time.Second

// storeSettings are the few settings that commands about the group need.
type storeSettings struct {
	config.Log
	config.KurrentDB
	Subscription subscription
}

// parkedGroup is a group whose parked events an operator inspects.
type parkedGroup struct {
	subcommand.Call
	events *kurrent.Client
	stream string
	group  string
}

// openParkedGroup reads the settings and opens the group. invalid is the error of the
// arguments: all errors are reported at once.
func openParkedGroup(c subcommand.Call, invalid error) (*parkedGroup, error) {
	if errors.Is(invalid, flag.ErrHelp) {
		return nil, invalid
	}
	s, settingsErr := config.Load[storeSettings](c.Environ)
	events, err := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.KurrentDB.AllowPlaintext, Logger: s.Logger(c.Stderr), CallTimeout: storeTimeout,
	})
	if err := config.Merge(invalid, settingsErr, err); err != nil {
		return nil, err
	}
	return &parkedGroup{Call: c, events: events, stream: s.Subscription.Stream, group: s.Subscription.Group}, nil
}

func (p *parkedGroup) name() string { return fmt.Sprintf("group %s on %s", p.group, p.stream) }

// wrapError adds the command to an error and, to an access error, the right that is
// missing: the streams behind a group belong to the server.
func (p *parkedGroup) wrapError(verb string, err error) error {
	if errors.Is(err, kurrent.ErrAccessDenied) {
		return fmt.Errorf("%s: the user of KURRENTDB_URL has no right to what %s has parked: %w", verb, p.name(), err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// requireGroup returns an error if the group does not exist, so that it is not mistaken
// for one without parked events. It returns nil for a user who may not ask.
func (p *parkedGroup) requireGroup(ctx context.Context) error {
	_, err := p.events.GroupInfo(ctx, p.stream, p.group)
	if errors.Is(err, kurrent.ErrAccessDenied) {
		return nil
	}
	return err
}

// numberFlag is a flag that holds the number of a parked event.
type numberFlag struct {
	value uint64
	set   bool
}

func (n *numberFlag) String() string { return "" }

func (n *numberFlag) Set(text string) error {
	value, err := parseNumber(text)
	n.value, n.set = value, err == nil
	return err
}

func parseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil {
		return 0, errors.New("must be a number as parked list shows it")
	}
	return n, nil
}

func listParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	output, limit, from := subcommand.OutputFlag(flags), subcommand.LimitFlag(flags), numberFlag{}
	flags.Var(&from, "from", "start at the parked event with this `number`")
	_, invalid := c.Parse(flags)
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	ctx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	page, err := p.page(ctx, from.value, *limit)
	if err == nil && len(page.Parked) == 0 {
		err = p.requireGroup(ctx)
	}
	if err != nil {
		return p.wrapError("list", err)
	}
	return output.Print(c.Stdout, page, func(w io.Writer) error { return p.printTable(w, page) })
}

// page reads up to limit parked events, and whether there are more.
func (p *parkedGroup) page(ctx context.Context, from uint64, limit int) (parkedPage, error) {
	page := parkedPage{Parked: []parkedLine{}}
	err := p.events.ParkedFrom(ctx, p.stream, p.group, from, limit+1, func(parked kurrent.Parked) error {
		if len(page.Parked) == limit {
			page.Next = &parked.Number
			return nil
		}
		page.Parked = append(page.Parked, lineOf(parked))
		return nil
	})
	return page, err
}

func showParked(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	output := subcommand.OutputFlag(flags)
	body := flags.Bool("body", false, "print the event's body too, which holds personal data")
	arguments, invalid := c.Parse(flags, "N")
	var number uint64
	if invalid == nil {
		var err error
		if number, err = parseNumber(arguments[0]); err != nil {
			invalid = config.Invalid("N", "%s", err)
		}
	}
	p, err := openParkedGroup(c, invalid)
	if err != nil {
		return err
	}
	defer p.events.Close()
	ctx, cancel := context.WithTimeout(ctx, parkedTimeout)
	defer cancel()
	var found *kurrent.Parked
	err = p.events.ParkedFrom(ctx, p.stream, p.group, number, 1, func(parked kurrent.Parked) error {
		if parked.Number == number { // if that event is behind the boundary, the server returns the next one
			found = &parked
		}
		return nil
	})
	if err != nil {
		return p.wrapError("show", err)
	}
	if found == nil {
		return fmt.Errorf("show: %s has parked no event %d", p.name(), number)
	}
	details := detailsOf(*found, *body)
	return output.Print(c.Stdout, details, details.print)
}
