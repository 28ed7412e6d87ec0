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

// defaultRole is the default of the role that the publisher connects as.
const defaultRole = "orderflow_publisher"

// databaseSettings are the settings of subcommands that need only PostgreSQL.
type databaseSettings struct {
	config.Log
	Database database
}

// openDatabase opens the store for a subcommand that needs no event store. It reports
// errors in the arguments together with errors in the settings.
func openDatabase(ctx context.Context, c subcommand.Call, ownSessions bool, arguments error) (databaseSettings, *postgres.Store, error) {
	s, invalid := config.Load[databaseSettings](c.Environ)
	store, storeErr := openStore(ctx, s.Database, ownSessions, s.Logger(c.Stderr))
	err := config.Merge(arguments, invalid, storeErr)
	if err != nil && store != nil {
		store.Close()
	}
	return s, store, err
}

// setUp creates what the publisher needs in PostgreSQL; the caller's role must be allowed
// to. Each step prints what it did and leaves what exists unchanged.
func setUp(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	role := flags.String("role", defaultRole, "the role the publisher connects as; empty leaves roles unchanged")
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
	message, err := setUpSlot(ctx, store, s.Database.Slot)
	if err != nil {
		return fmt.Errorf("set up: %w", err)
	}
	_, err = fmt.Fprintln(c.Stdout, message)
	return err
}

// slotTimeout bounds slot creation, which waits for open transactions to end.
const slotTimeout = 5 * time.Minute

// setUpSlot creates the slot without a checkpoint, so the publisher reads the whole
// history when it first uses the slot.
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
	replication, err := store.OpenReplication(ctx, name)
	if err != nil {
		return "", err
	}
	defer replication.Close()
	if ok {
		failover, err := setUpFailover(ctx, replication, slot)
		return fmt.Sprintf("slot %s: is there already, confirmed up to %s%s", name, slot.Confirmed, failover), err
	}
	if err := store.DeleteCheckpoint(ctx, name); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := replication.CreateSlot(ctx); err != nil {
		return "", err
	}
	return fmt.Sprintf("slot %s: made; from now on the server keeps its log for the publisher, so start it, "+
		"or drop the slot: SELECT pg_drop_replication_slot('%s')", name, name), nil
}

// setUpFailover makes the server copy an existing slot to its standbys, if it can, and
// returns the message for that.
func setUpFailover(ctx context.Context, replication *postgres.Replication, slot postgres.Slot) (string, error) {
	switch {
	case !replication.FailsOver():
		return "", nil
	case slot.Active:
		return "; the publisher that reads it enables copying to standbys at its next start", nil
	}
	if err := replication.EnableFailover(ctx); err != nil {
		return "", err
	}
	return "; from now on it is copied to standbys", nil
}

// requestSnapshot makes the publisher's next session read the history from its beginning.
func requestSnapshot(ctx context.Context, c subcommand.Call) error {
	_, arguments := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, store, err := openDatabase(ctx, c, false, arguments)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.DeleteCheckpoint(ctx, s.Database.Slot); err != nil {
		return fmt.Errorf("snapshot: %w", err)
	}
	_, err = fmt.Fprintln(c.Stdout, "the history is read from its beginning by the publisher's next session, which begins within seconds")
	return err
}
