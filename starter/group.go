package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// groupTimeout bounds making the group from the command line.
const groupTimeout = 30 * time.Second

// command runs a subcommand of the starter.
func command(ctx context.Context, args, environ []string, stderr io.Writer) error {
	if !slices.Equal(args, []string{"group", "create"}) {
		return config.Invalid("arguments", "must be none, or group create")
	}
	return createGroup(ctx, environ, stderr)
}

// groupSettings are the few that making the group needs; the buffer follows the concurrency.
type groupSettings struct {
	config.Log
	Subscription subscription
	Concurrency  int `env:"STARTER_CONCURRENCY" envDefault:"64"`
}

// Validate checks what the form of a value does not tell.
func (s groupSettings) Validate() []config.Fault {
	return settings{Subscription: s.Subscription, Concurrency: s.Concurrency}.Validate()
}

// createGroup makes the persistent subscription, for a platform whose starter may not. One that exists is left as it is.
func createGroup(ctx context.Context, environ []string, stderr io.Writer) error {
	s, err := config.Load[groupSettings](environ)
	if err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{
		URL: s.Subscription.URL, AllowPlaintext: s.Subscription.AllowPlaintext, Logger: s.Logger(stderr), CallTimeout: storeTimeout,
	})
	if err != nil {
		return err
	}
	defer events.Close()
	ctx, cancel := context.WithTimeout(ctx, groupTimeout)
	defer cancel()
	differences, created, err := events.EnsureGroup(ctx, s.Subscription.group(s.Concurrency))
	if err != nil {
		return fmt.Errorf("create group: %w", err)
	}
	_, err = fmt.Fprintln(stderr, report(s.Subscription, differences, created))
	return err
}

func report(s subscription, differences []string, created bool) string {
	group := fmt.Sprintf("group %s on %s", s.Group, s.Stream)
	switch {
	case created:
		return group + ": created"
	case len(differences) == 0:
		return group + ": exists as wanted"
	default:
		return fmt.Sprintf("%s: exists with other settings, left as it is: %v", group, differences)
	}
}
