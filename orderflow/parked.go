package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"orderflow/bridge"

	"github.com/spf13/cobra"
)

// parkedTimeout bounds a command about parked events, without the time in which it waits
// for the operator's answer.
const parkedTimeout = 30 * time.Second

// wrapError adds the command to an error and, to an access error, the right that is
// missing: the streams behind a group belong to the server.
func (g *group) wrapError(verb string, err error) error {
	if errors.Is(err, bridge.ErrAccessDenied) {
		return fmt.Errorf("%s: the user of KURRENTDB_URL has no right to what %s has parked: %w", verb, g, err)
	}
	return fmt.Errorf("%s: %w", verb, err)
}

// requireGroup returns an error if the group does not exist, so that it is not mistaken
// for one without parked events. It returns nil for a user who may not ask.
func (g *group) requireGroup(ctx context.Context) error {
	_, err := g.GroupInfo(ctx, g.Stream, g.Group)
	if errors.Is(err, bridge.ErrAccessDenied) {
		return nil
	}
	return err
}

func (g *group) parked() bridge.ParkedEvents { return g.Parked(g.Stream, g.Group) }

// number is the number of a parked event. set reports whether it was given.
type number struct {
	value uint64
	set   bool
}

// numberFlag adds a flag that holds the number of a parked event.
func numberFlag(cmd *cobra.Command, name, usage string) *number {
	var n number
	cmd.Flags().Var(value{"number", func(text string) (err error) {
		n.value, err = parseNumber(text)
		n.set = err == nil
		return err
	}}, name, usage)
	return &n
}

func parseNumber(text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 62)
	if err != nil {
		return 0, errors.New("must be a number as parked list shows it")
	}
	return n, nil
}

func (c *cli) listParked() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list the parked events, with the reason each was parked for", Args: c.takes()}
	from := numberFlag(cmd, "from", "start at the parked event with this number")
	output, limit := outputFlag(cmd), limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		g, err := c.openGroup()
		if err != nil {
			return err
		}
		defer g.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), parkedTimeout)
		defer cancel()
		page, err := g.page(ctx, from.value, *limit)
		if err == nil && len(page.Parked) == 0 {
			err = g.requireGroup(ctx)
		}
		if err != nil {
			return g.wrapError("list", err)
		}
		return output.print(c.stdout, page, func(w io.Writer) error { return g.printTable(w, page) })
	}
	return cmd
}

// page reads up to limit parked events, and whether there are more.
func (g *group) page(ctx context.Context, from uint64, limit int) (parkedPage, error) {
	page := parkedPage{Parked: []parkedLine{}}
	err := g.parked().List(ctx, from, limit+1, func(parked bridge.ParkedEvent) error {
		if len(page.Parked) == limit {
			page.Next = &parked.Number
			return nil
		}
		page.Parked = append(page.Parked, lineOf(parked))
		return nil
	})
	return page, err
}

func (c *cli) showParked() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show N", Short: "print one parked event",
		Args: c.takes(argument{"N", func(text string) error {
			_, err := parseNumber(text)
			return err
		}}),
	}
	output := outputFlag(cmd)
	body := cmd.Flags().Bool("body", false, "print the event's body too, which holds personal data")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		g, err := c.openGroup()
		if err != nil {
			return err
		}
		defer g.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), parkedTimeout)
		defer cancel()
		n, err := parseNumber(args[0])
		if err != nil {
			return err
		}
		found, err := g.parked().Find(ctx, n)
		switch {
		case errors.Is(err, bridge.ErrNotParked):
			return fmt.Errorf("show: %s has parked no event %d", g, n)
		case err != nil:
			return g.wrapError("show", err)
		}
		details := detailsOf(found, *body)
		return output.print(c.stdout, details, details.print)
	}
	return cmd
}
