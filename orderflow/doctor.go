package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/doctor"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/ses"
	"orderflow/internal/temporalclient"
)

// The doctor's settings, one struct per store: a store whose required settings are absent
// is skipped. Temporal's have defaults.
type (
	doctorSettings struct {
		config.Log
		Subscription config.Subscription
		Slot         config.Slot
		Worker       config.Worker
		Payloads     config.Payloads
		Attributes   config.Attributes
	}
	eventsSettings struct{ config.KurrentDB }
	rowsSettings   struct{ config.Postgres }
	emailSettings  struct {
		From             string `env:"EMAIL_FROM,required"`
		ConfigurationSet string `env:"EMAIL_CONFIGURATION_SET"`
	}
)

const doctorHelp = `Compare KurrentDB, PostgreSQL, Temporal, SES and this machine's clock with what Orderflow needs. It only reads.

Each check is one line. Below are the findings, each with the reason and the command or setting that repairs it.

  ok           as it should be
  warning      a finding: something to know, or to change at leisure
  problem      a finding: something is stopped or lost, now or with the next outage
  not checked  a setting, a right or a newer server is missing for the check
  failed       the store did not respond

The exit code is 1 if a check failed, whatever else was found; else 3 if there is a warning or a problem; else 0.
"not checked" changes no exit code. 2 is for arguments and settings that cannot be used.

A store is skipped if its setting is absent: KURRENTDB_URL, POSTGRES_URL, EMAIL_FROM for SES. Temporal has defaults. The
rights of a binary are checked for the users in KURRENTDB_URL and POSTGRES_URL: run it with the binary's environment and
--as. Rights to write in KurrentDB can be read only by an administrator: with an administrator's KURRENTDB_URL, --user
names whose rights are meant.`

// doctorOptions are the flags of doctor.
type doctorOptions struct {
	only   []doctor.Store
	as     string
	user   *string
	output *output
}

func (c *cli) doctor() *cobra.Command {
	cmd := &cobra.Command{Use: "doctor", Short: "compare the servers with what Orderflow needs, and only read", Long: doctorHelp, Args: c.takes()}
	o := doctorOptions{
		output: outputFlag(cmd),
		user:   cmd.Flags().String("user", "", "with --as, check the rights of this KurrentDB `user`; default the one of KURRENTDB_URL"),
	}
	cmd.Flags().Var(value{"stores", func(text string) (err error) {
		o.only, err = parseStores(text)
		return err
	}}, "only", "check only these: "+joinStores(doctor.Stores())+", with commas between")
	cmd.Flags().Var(value{"binary", func(text string) error {
		if !slices.Contains(doctor.Binaries(), text) {
			return errors.New("must be one of " + strings.Join(doctor.Binaries(), ", "))
		}
		o.as = text
		return nil
	}}, "as", "check the rights that this binary needs: "+strings.Join(doctor.Binaries(), ", "))
	complete(cmd, "as", doctor.Binaries()...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.examine(cmd.Context(), &o) }
	return cmd
}

func joinStores(stores []doctor.Store) string {
	var names []string
	for _, s := range stores {
		names = append(names, string(s))
	}
	return strings.Join(names, ",")
}

func parseStores(text string) (stores []doctor.Store, err error) {
	for name := range strings.SplitSeq(text, ",") {
		store := doctor.Store(strings.TrimSpace(name))
		if !slices.Contains(doctor.Stores(), store) {
			return nil, errors.New("must be some of " + joinStores(doctor.Stores()))
		}
		stores = append(stores, store)
	}
	return stores, nil
}

// examine runs the checks and prints them. It returns an error for exit code 1 if a check
// failed, and an *attentionError if there are findings.
func (c *cli) examine(ctx context.Context, o *doctorOptions) error {
	options, closeAll, err := c.openDoctor(ctx, o)
	if err != nil {
		return err
	}
	defer closeAll()
	results := doctor.Run(ctx, options)
	if err := o.output.print(c.stdout, results, func(w io.Writer) error { return doctor.Print(w, results) }); err != nil {
		return err
	}
	switch s := doctor.Summarize(results); {
	case s.Failed > 0:
		return fmt.Errorf("doctor: failed checks: %d, findings: %d", s.Failed, s.Findings)
	case s.Findings > 0:
		return needsAttention("doctor: findings: %d", s.Findings)
	default:
		return nil
	}
}

// doctorDrivers opens the stores' drivers and keeps what is to be closed, why a store is
// skipped, and the faults of all settings.
type doctorDrivers struct {
	c       *cli
	only    []doctor.Store
	options doctor.Options
	closing []func()
	faults  []error
}

// openDoctor opens a driver for each store that is to be checked and has settings. None
// of them connects. Its error has all faults.
func (c *cli) openDoctor(ctx context.Context, o *doctorOptions) (doctor.Options, func(), error) {
	shared, invalid := settings[doctorSettings](c)
	d := doctorDrivers{c: c, only: o.only, faults: []error{invalid}, options: doctor.Options{
		As: o.as, User: *o.user, Slot: shared.Slot.Name, Worker: shared.Worker, Skipped: map[doctor.Store]string{},
	}}
	groups := starterGroups(shared.Subscription)
	d.options.Group, d.options.OtherGroups = groups[0], groups[1:]
	quiet := slog.New(slog.DiscardHandler) // what drivers log about an outage is in the result
	d.openKurrentDB(quiet)
	d.openPostgres()
	d.options.TotalHidden = shared.Attributes.TotalHidden
	d.openTemporal(shared.Payloads, quiet)
	d.openSES(ctx)
	closeAll := func() {
		for _, closeOne := range d.closing {
			closeOne()
		}
	}
	if err := config.Merge(d.faults...); err != nil {
		closeAll()
		return doctor.Options{}, nil, err
	}
	return d.options, closeAll, nil
}

// wants reports whether a store is to be checked. Otherwise it keeps why it is not.
func (d *doctorDrivers) wants(store doctor.Store, variable string) bool {
	switch {
	case len(d.only) > 0 && !slices.Contains(d.only, store):
		d.options.Skipped[store] = "left out by --only"
	case variable != "" && !config.Has(d.c.environ, variable):
		d.options.Skipped[store] = variable + " is not set"
	default:
		return true
	}
	return false
}

func (d *doctorDrivers) openKurrentDB(logger *slog.Logger) {
	if !d.wants(doctor.KurrentDB, "KURRENTDB_URL") {
		return
	}
	s, invalid := config.Load[eventsSettings](d.c.environ)
	events, err := kurrent.OpenInspector(kurrent.Config{URL: s.URL, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout})
	d.faults = append(d.faults, invalid, err)
	if err == nil {
		d.options.KurrentDB, d.closing = events, append(d.closing, events.Close)
	}
}

func (d *doctorDrivers) openPostgres() {
	if !d.wants(doctor.Postgres, "POSTGRES_URL") {
		return
	}
	s, invalid := config.Load[rowsSettings](d.c.environ)
	rows, err := postgres.OpenInspector(s.URL, d.options.Slot)
	d.faults = append(d.faults, invalid, err)
	if err == nil {
		d.options.Postgres = rows
	}
}

func (d *doctorDrivers) openTemporal(payloads config.Payloads, logger *slog.Logger) {
	if !d.wants(doctor.Temporal, "") {
		return
	}
	metrics, err := ops.NewMetrics("orderflow-doctor")
	if err == nil {
		var options client.Options
		var temporal client.Client
		if options, err = temporalclient.Options("orderflow-doctor", payloads, logger, metrics); err == nil {
			temporal, err = temporalclient.Open(options)
		}
		if err == nil {
			d.options.Temporal, d.options.Namespace = temporal, temporalclient.Namespace(options)
			d.closing = append(d.closing, temporal.Close)
		}
	}
	d.faults = append(d.faults, err)
}

func (d *doctorDrivers) openSES(ctx context.Context) {
	if !d.wants(doctor.SES, "EMAIL_FROM") {
		return
	}
	s, invalid := config.Load[emailSettings](d.c.environ)
	account, err := ses.OpenInspector(ctx, ses.Config{From: s.From, ConfigurationSet: s.ConfigurationSet, Timeout: storeTimeout})
	d.faults = append(d.faults, invalid, err)
	if err == nil {
		d.options.SES = account
	}
}
