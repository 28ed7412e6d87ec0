package main

import (
	"context"
	"errors"
	"flag"
	"strings"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

func program() subcommand.Program {
	return subcommand.Program{Name: "worker", Summary: "host workflows and activities", Commands: []subcommand.Command{
		{Name: "migrate", Summary: "bring the PostgreSQL schema up to date", Run: migrate},
		{Name: "erase", Usage: "ORDER", Summary: "erase an order's personal data from PostgreSQL", Run: erase},
		{
			Name: "email list", Usage: "[--status unknown|pending|sending|failed|all] [--limit N] [-o table|json]",
			Summary: "list the emails that are not settled, without their recipients", Run: listEmails,
		},
		{
			Name: "email resolve",
			Usage: "ORDER KIND | --status STATUS --from TIME --to TIME [--kind KIND] [--limit N] [-o table|json], " +
				"and --sent [--message-id ID] | --failed | --resend [--dry-run]",
			Summary: "record the outcome of stuck emails, or send them again", Run: resolveEmail,
		},
	}}
}

// databaseSettings are the few settings that a subcommand needs.
type databaseSettings struct {
	config.Log
	config.Postgres
}

// openStore connects a subcommand to a database and checks its schema. It reports the
// errors of the arguments together with those of the settings.
func openStore(ctx context.Context, c subcommand.Call, others ...error) (*postgres.Store, error) {
	for _, err := range others {
		if errors.Is(err, flag.ErrHelp) {
			return nil, err
		}
	}
	s, invalid := config.Load[databaseSettings](c.Environ)
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.URL, MaxConns: 1, ApplicationName: "orderflow-operator", CallTimeout: operatorTimeout, Logger: s.Logger(c.Stderr),
	})
	if err := config.Merge(append(others, invalid, storeErr)...); err != nil {
		if store != nil {
			store.Close()
		}
		return nil, err
	}
	if err := store.CheckSchema(ctx); err != nil {
		store.Close()
		return nil, err
	}
	return store, nil
}

// operatorTimeout bounds one call while an operator waits at a terminal.
const operatorTimeout = 10 * time.Second

func checkOrderID(id string) error {
	if !order.ValidID(id) {
		return config.Invalid("ORDER", "must be order- and 1 to 120 of [A-Za-z0-9._-]")
	}
	return nil
}

// checkKind returns an error if kind, given by the argument or flag called name, is
// unknown.
func checkKind(name string, kind email.Kind) error {
	if kind.Known() {
		return nil
	}
	var kinds []string
	for _, known := range email.Kinds() {
		kinds = append(kinds, string(known))
	}
	return config.Invalid(name, "must be one of: %s", strings.Join(kinds, ", "))
}
