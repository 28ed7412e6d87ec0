package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/erasure"
	"orderflow/internal/ops"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/shell"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
)

// eraseOptions are the flags of erase.
type eraseOptions struct {
	orderID *string
	verify  *bool
	unpaid  *bool
	output  *output
}

func (c *cli) erase() *cobra.Command {
	cmd := &cobra.Command{
		Use: "erase CUSTOMER", Short: "erase a customer's personal data, or an order's, from all stores",
		Long: "Erase the personal data of a customer's orders, or of one order: delete the streams of the orders in KurrentDB,\n" +
			"and blank recipient, address and email addresses in PostgreSQL. Refused while one of the orders is open. The same\n" +
			"command again completes an erasure that ended early. With --verify it changes nothing and lists what still holds\n" +
			"the data. The exit code is then 3 if something does.",
		Args: c.takes(argument{"[CUSTOMER]", checkCustomerID}),
	}
	flags := cmd.Flags()
	o := eraseOptions{
		orderID: flags.String("order", "", "erase this `ORDER` in place of a customer"),
		verify:  flags.Bool("verify", false, "list what holds the personal data, and change nothing"),
		unpaid:  flags.Bool("unpaid", false, "erase orders whose credit is reserved too: a later payment no longer releases it"),
		output:  outputFlag(cmd),
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return c.eraseSubject(cmd.Context(), erasure.Subject{CustomerID: strings.Join(args, ""), OrderID: *o.orderID}, &o)
	}
	return cmd
}

// check returns the faults of the command line.
func (o *eraseOptions) check(subject erasure.Subject) error {
	var faults []error
	if (subject.CustomerID == "") == (subject.OrderID == "") {
		faults = append(faults, config.Invalid("arguments", "either CUSTOMER or --order is needed"))
	}
	if subject.OrderID != "" {
		if err := checkOrderID(subject.OrderID); err != nil {
			faults = append(faults, config.Invalid("--order", "%s", err))
		}
	}
	if *o.verify && *o.unpaid {
		faults = append(faults, config.Invalid("--unpaid", "must not be given with --verify"))
	}
	return config.Merge(faults...)
}

func (c *cli) eraseSubject(ctx context.Context, subject erasure.Subject, o *eraseOptions) error {
	stores, closeStores, err := c.openErasure(ctx, o.check(subject))
	if err != nil {
		return err
	}
	defer closeStores()
	if *o.verify {
		return c.verifyErasure(ctx, stores, subject, *o.output)
	}
	done, err := erasure.Erase(ctx, stores, subject, erasure.Options{Unpaid: *o.unpaid})
	if err != nil {
		if _, refused := errors.AsType[*erasure.RefusedError](err); !refused && done.Orders > 0 {
			err = fmt.Errorf("%w: run the command again to complete it", err)
		}
		return fmt.Errorf("erase: %w", err)
	}
	return o.output.print(c.stdout, done, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "erased %d orders of %s: %d streams deleted, %d rows blanked\n"+
			"scavenge KurrentDB, and see what is left with --verify\n", done.Orders, subject, done.Streams, done.Rows)
		return err
	})
}

func (c *cli) verifyErasure(ctx context.Context, stores erasure.Stores, subject erasure.Subject, as output) error {
	report, err := erasure.Verify(ctx, stores, subject)
	if err != nil {
		return fmt.Errorf("erase: %w", err)
	}
	if err := as.print(c.stdout, report, func(w io.Writer) error { return printPlaces(w, report) }); err != nil {
		return err
	}
	if left := report.Left(); left > 0 {
		return needsAttention("erase: %d places still hold personal data", left)
	}
	return nil
}

func printPlaces(w io.Writer, report erasure.Report) error {
	var rows []string
	for _, p := range report.Places {
		rows = append(rows, strings.Join([]string{p.Store, shell.Printable(p.Place), string(p.State), p.Detail}, "\t"))
	}
	return printTable(w, "STORE\tPLACE\tSTATE\tDETAIL", rows, false)
}

// eraseSettings are the settings of erase, which needs all three stores.
type eraseSettings struct {
	config.Log
	config.KurrentDB
	config.Postgres
	Payloads config.Payloads
}

// openErasure reads the settings and connects to the three stores. others are faults of
// the command line. Its error has all faults at once.
func (c *cli) openErasure(ctx context.Context, others error) (stores erasure.Stores, closeAll func(), err error) {
	s, invalid := settings[eraseSettings](c, others)
	logger := s.Logger(c.stderr)
	const service = "orderflow-erase"
	registry, err := ops.NewMetrics(service)
	if err != nil {
		return stores, nil, err
	}
	events, eventsErr := c.openEvents(s.KurrentDB, logger)
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile, MaxConns: 1, ApplicationName: service, CallTimeout: callTimeout, Logger: logger,
	})
	clientOptions, optionsErr := temporalclient.Options(service, s.Payloads, logger, registry)
	if err := config.Merge(invalid, eventsErr, poolErr, optionsErr); err != nil {
		return stores, nil, err // nothing has connected yet
	}
	dialing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	temporal, err := temporalclient.Dial(dialing, clientOptions, logger)
	if err == nil {
		err = pool.CheckSchema(ctx)
	}
	if err != nil {
		events.Close()
		pool.Close()
		return stores, nil, err
	}
	return erasure.Stores{
		Temporal: temporal, Events: events, Rows: postgres.NewFulfillments(pool, postgres.EmailRules{}),
		Accounts: streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: events}), Logger: logger,
	}, func() { temporal.Close(); pool.Close(); events.Close() }, nil
}

func checkOrderID(id string) error {
	if !order.ValidID(id) {
		return order.ErrInvalidID
	}
	return nil
}

func checkCustomerID(id string) error {
	if !order.ValidIdentifier(id) {
		return order.ErrInvalidIdentifier
	}
	return nil
}
