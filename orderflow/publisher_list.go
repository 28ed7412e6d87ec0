package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/postgres"
)

// setAsidePage is the output of `publisher list`.
type setAsidePage struct {
	Orders []setAsideLine `json:"orders"`
	More   bool           `json:"more"`
}

// setAsideLine is one order that is set aside.
type setAsideLine struct {
	OrderID  string    `json:"orderId"`
	Revision int64     `json:"revision"`
	Through  int64     `json:"through"`
	Since    time.Time `json:"since"`
	Code     string    `json:"code"`
	Detail   string    `json:"detail"`
}

// listSetAside prints the orders that are set aside.
func (c *cli) listSetAside() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "list the orders that are set aside, with the reason", Args: c.takes()}
	output, limit := outputFlag(cmd), limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		_, pool, err := c.openPublished(cmd.Context(), false)
		if err != nil {
			return err
		}
		defer pool.Close()
		page, err := readSetAside(cmd.Context(), postgres.NewPublisherState(pool), *limit)
		if err != nil {
			return fmt.Errorf("list: %w", err)
		}
		return output.print(c.stdout, page, page.printTable)
	}
	return cmd
}

// readSetAside reads at most limit orders, and whether there are more.
func readSetAside(ctx context.Context, state *postgres.PublisherState, limit int) (setAsidePage, error) {
	page := setAsidePage{Orders: []setAsideLine{}}
	for after := ""; ; {
		entries, err := state.ListSetAside(ctx, after, limit+1-len(page.Orders))
		if err != nil || len(entries) == 0 {
			return page, err
		}
		for _, e := range entries {
			if page.More = len(page.Orders) == limit; page.More {
				return page, nil
			}
			page.Orders = append(page.Orders, setAsideLine{e.OrderID, e.Revision, e.Through, e.At, e.Code, e.Detail})
			after = e.OrderID
		}
	}
}

func (p setAsidePage) printTable(w io.Writer) error {
	rows := make([]string, len(p.Orders))
	for i, l := range p.Orders {
		rows[i] = fmt.Sprintf("%q\t%d\t%d\t%s\t%s\t%s", l.OrderID, l.Revision, l.Through, l.Since.Format(time.RFC3339), l.Code, l.Detail)
	}
	return printTable(w, "ORDER\tREVISION\tTHROUGH\tSINCE\tCODE\tDETAIL", rows, p.More)
}
