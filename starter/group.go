package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/subcommand"
)

// groupTimeout bounds making the group from the command line.
const groupTimeout = 30 * time.Second

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

// createGroup makes the persistent subscription, for a platform whose starter may not. One that exists is left as it is;
// if it loses events that is an error.
func createGroup(ctx context.Context, c subcommand.Call) error {
	_, arguments := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, invalid := config.Load[groupSettings](c.Environ)
	if err := config.Merge(arguments, invalid); err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{
		URL: s.Subscription.URL, AllowPlaintext: s.Subscription.AllowPlaintext, Logger: s.Logger(c.Stderr), CallTimeout: storeTimeout,
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
	if reason := losses(s.Subscription, differences); reason != "" {
		return errors.New(reason)
	}
	_, err = fmt.Fprintln(c.Stderr, report(s.Subscription, differences, created))
	return err
}

func report(s subscription, differences []kurrent.Difference, created bool) string {
	var texts []string
	for _, d := range differences {
		texts = append(texts, d.Text)
	}
	group := fmt.Sprintf("group %s on %s", s.Group, s.Stream)
	switch {
	case created:
		return group + ": created"
	case len(differences) == 0:
		return group + ": exists as wanted"
	default:
		return fmt.Sprintf("%s: exists with other settings, left as it is: %v", group, texts)
	}
}
