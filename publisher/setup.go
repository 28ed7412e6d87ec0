package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

// defaultRole is who the publisher connects as unless it is named otherwise.
const defaultRole = "orderflow_publisher"

// databaseSettings are the few that most subcommands need.
type databaseSettings struct {
	config.Log
	Postgres database
}

// openDatabase is for a subcommand that needs no event store. What was wrong with its arguments is reported together with
// what is wrong with the settings.
func openDatabase(ctx context.Context, c subcommand.Call, ownSessions bool, arguments error) (databaseSettings, *postgres.Store, error) {
	s, invalid := config.Load[databaseSettings](c.Environ)
	store, storeErr := openStore(ctx, s.Postgres, ownSessions, s.Logger(c.Stderr))
	err := config.Merge(arguments, invalid, storeErr)
	if err != nil && store != nil {
		store.Close()
	}
	return s, store, err
}

// setUp makes what the publisher needs in PostgreSQL, for somebody who may. Each step says what it did, and what is there
// already is left as it is.
func setUp(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	role := flags.String("role", defaultRole, "who the publisher connects as; empty: leave roles alone")
	_, arguments := c.Parse(flags)
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, store, err := openDatabase(ctx, c, true, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.CheckSchema(ctx); err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	if _, err := store.CheckPublishing(ctx); err != nil {
		return err
	}
	if *role != "" {
		did, err := store.PreparePublisherRole(ctx, *role)
		if err != nil {
			return fmt.Errorf("set up: %w", err)
		}
		for _, line := range did {
			_, _ = fmt.Fprintln(c.Stdout, line)
		}
	}
	said, err := setUpSlot(ctx, store, s.Postgres.Slot)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	_, err = fmt.Fprintln(c.Stdout, said)
	return err
}

// slotTimeout bounds making the slot, which waits for the transactions that are under way.
const slotTimeout = 5 * time.Minute

// setUpSlot makes the slot. No mark goes with it: the publisher reads the whole history when it first meets the slot.
func setUpSlot(ctx context.Context, store *postgres.Store, name string) (string, error) {
	slot, ok, err := store.FindSlot(ctx, name)
	switch {
	case err != nil:
		return "", err
	case ok && slot.Lost:
		return fmt.Sprintf("slot %s: is lost; the publisher makes a new one when it starts", name), nil
	case ok && slot.Failover:
		return fmt.Sprintf("slot %s: is there already, confirmed up to %s", name, slot.Confirmed), nil
	}
	link, err := store.OpenReplication(ctx, name)
	if err != nil {
		return "", err
	}
	defer link.Close()
	if ok {
		failover, err := setUpFailover(ctx, link, slot)
		return fmt.Sprintf("slot %s: is there already, confirmed up to %s%s", name, slot.Confirmed, failover), err
	}
	if err := store.ForgetMark(ctx, name); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := link.CreateSlot(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("slot %s: made; from now on the server keeps its log for the publisher, so start it, "+
		"or drop the slot: SELECT pg_drop_replication_slot('%s')", name, name), nil
}

// setUpFailover has an existing slot copied to standbys where the server can, and returns what to say about it.
func setUpFailover(ctx context.Context, link *postgres.Replication, slot postgres.Slot) (string, error) {
	switch {
	case !link.FailsOver():
		return "", nil
	case slot.Active:
		return "; the publisher that reads it has it copied to standbys when it starts next", nil
	}
	if err := link.EnableFailover(ctx); err != nil {
		return "", err
	}
	return "; from now on it is copied to standbys", nil
}

// orderSnapshot has the history read from its beginning by the next session of the publisher.
func orderSnapshot(ctx context.Context, c subcommand.Call) error {
	_, arguments := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, store, err := openDatabase(ctx, c, false, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.ForgetMark(ctx, s.Postgres.Slot); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	_, err = fmt.Fprintln(c.Stdout, "the history is read from its beginning by the publisher's next session, which begins within seconds")
	return err
}
