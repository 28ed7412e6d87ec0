package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

// suppressionPage is the output of `email suppressed`, the newest first.
type suppressionPage struct {
	Suppressed []email.Suppression `json:"suppressed"`
	More       bool                `json:"more"`
}

func (c *cli) listSuppressed() *cobra.Command {
	cmd := &cobra.Command{
		Use: "suppressed", Short: "list the addresses that take no more email, by the email that showed it", Args: c.takes(),
	}
	output, limit := outputFlag(cmd), limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pool, err := c.openDatabase(cmd.Context())
		if err != nil {
			return err
		}
		defer pool.Close()
		list, more, err := postgres.NewEmailLedger(pool, postgres.EmailRules{}).ListSuppressions(cmd.Context(), *limit)
		if err != nil {
			return fmt.Errorf("list suppressed addresses: %w", err)
		}
		page := suppressionPage{Suppressed: list, More: more}
		return output.print(c.stdout, page, page.printTable)
	}
	return cmd
}

func (p suppressionPage) printTable(w io.Writer) error {
	rows := make([]string, len(p.Suppressed))
	for i, s := range p.Suppressed {
		rows[i] = fmt.Sprintf("%s\t%s\t%s\t%s", s.OrderID, s.Kind, s.Reason, s.Since.Format(time.RFC3339))
	}
	return printTable(w, "ORDER\tKIND\tREASON\tSINCE", rows, p.More)
}

func (c *cli) allowEmails() *cobra.Command {
	return &cobra.Command{
		Use: "allow ORDER", Short: "send emails again to the address of an order, after it bounced or complained",
		Args: c.takes(argument{"ORDER", checkOrderID}),
		RunE: func(cmd *cobra.Command, args []string) error {
			pool, err := c.openDatabase(cmd.Context())
			if err != nil {
				return err
			}
			defer pool.Close()
			removed, err := postgres.NewEmailLedger(pool, postgres.EmailRules{}).AllowEmails(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if removed == 0 {
				return fmt.Errorf("allow emails: no address of %s is suppressed", args[0])
			}
			_, err = fmt.Fprintf(c.stderr, "emails to the address of %s are sent again\n", args[0])
			return err
		},
	}
}
