package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

// emailPage is the output of `email list`. The oldest emails come first, in the order in
// which an operator handles them.
type emailPage struct {
	Emails []email.Delivery `json:"emails"`
	More   bool             `json:"more"`
}

func (c *cli) listEmails() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "list the emails that are not settled, without their recipients", Args: c.takes(),
	}
	statuses := []email.Status{email.StatusUnknown}
	cmd.Flags().Var(value{"status", func(text string) (err error) {
		statuses, err = parseStatuses(text)
		return err
	}}, "status", "unknown, the default, pending, sending, failed or all")
	complete(cmd, "status", "unknown", "pending", "sending", "failed", "all")
	output, limit := outputFlag(cmd), limitFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		pool, err := c.openDatabase(cmd.Context())
		if err != nil {
			return err
		}
		defer pool.Close()
		list, more, err := postgres.NewEmailLedger(pool, postgres.EmailRules{}).ListEmails(cmd.Context(), email.Filter{Statuses: statuses, Limit: *limit})
		if err != nil {
			return fmt.Errorf("list emails: %w", err)
		}
		page := emailPage{Emails: list, More: more}
		return output.print(c.stdout, page, page.printTable)
	}
	return cmd
}

func parseStatuses(name string) ([]email.Status, error) {
	open := []email.Status{email.StatusUnknown, email.StatusPending, email.StatusSending, email.StatusFailed}
	if name == "all" {
		return open, nil
	}
	for _, status := range open {
		if name == string(status) {
			return []email.Status{status}, nil
		}
	}
	return nil, errors.New("must be unknown, pending, sending, failed or all")
}

// checkKind returns an error unless there is such a kind of email.
func checkKind(kind string) error {
	if email.Kind(kind).Known() {
		return nil
	}
	return fmt.Errorf("must be one of: %s, or %s for an order's parcel 2, 3 and so on", strings.Join(emailKinds(), ", "),
		email.ParcelKind(2))
}

func emailKinds() []string {
	var kinds []string
	for _, known := range email.Kinds() {
		kinds = append(kinds, string(known))
	}
	return kinds
}

func (p emailPage) printTable(w io.Writer) error {
	rows := make([]string, len(p.Emails))
	for i, d := range p.Emails {
		rows[i] = fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s", d.OrderID, d.Kind, d.Status, d.Attempt, d.UnknownAttempts,
			cmp.Or(d.ErrorCode, "-"), d.Since.Format(time.RFC3339))
	}
	return printTable(w, "ORDER\tKIND\tSTATUS\tATTEMPT\tUNKNOWN\tERROR\tSINCE", rows, p.More)
}
