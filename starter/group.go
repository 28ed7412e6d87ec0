package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"
	"unicode"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/subcommand"
)

// groupTimeout bounds creating the group from the command line.
const groupTimeout = 30 * time.Second

// groupSettings are the few settings needed to create the group. Its buffer size follows
// from the concurrency.
type groupSettings struct {
	config.Log
	config.KurrentDB
	Subscription subscription
	Concurrency  int `env:"STARTER_CONCURRENCY" envDefault:"64"`
}

// Validate checks the range of the concurrency.
func (s groupSettings) Validate() []config.Fault {
	return settings{Concurrency: s.Concurrency}.Validate()
}

// createGroup creates the persistent subscription, for platforms whose starter may not.
// An existing group is left unchanged; it is an error if that group loses events. With
// --grant it also grants the starter's user the rights that a starter needs.
func createGroup(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	var grantees grantees
	flags.Var(&grantees, "grant", "allow this `user`, or group of users, to join, and to see and drop parked events; repeatable; requires an administrator")
	_, arguments := c.Parse(flags)
	if errors.Is(arguments, flag.ErrHelp) {
		return arguments
	}
	s, invalid := config.Load[groupSettings](c.Environ)
	if err := config.Merge(arguments, invalid); err != nil {
		return err
	}
	events, err := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.KurrentDB.AllowPlaintext, Logger: s.Logger(c.Stderr), CallTimeout: storeTimeout,
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
	if reason := lossReason(s.Subscription, differences); reason != "" {
		return errors.New(reason)
	}
	if _, err = fmt.Fprintln(c.Stderr, describeGroup(s.Subscription, differences, created)); err != nil {
		return err
	}
	for _, user := range grantees {
		if err := grant(ctx, c, events, s.Subscription, user); err != nil {
			return err
		}
	}
	return nil
}

// grantees are the users and groups of users that --grant names.
type grantees []string

// maxName bounds the name of a user, in bytes.
const maxName = 128

func (g *grantees) String() string { return "" }

func (g *grantees) Set(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("must be the name of a user or of a group of users, of at most %d bytes", maxName)
	}
	*g = append(*g, name)
	return nil
}

// grant grants a user the starter's rights and prints the rights that were missing.
func grant(ctx context.Context, c subcommand.Call, events *kurrent.Client, s subscription, user string) error {
	grants, err := events.GrantGroup(ctx, s.Stream, s.Group, user)
	for _, given := range grants {
		said := "has the rights already"
		if len(given.Rights) > 0 {
			said = fmt.Sprintf("granted %v", given.Rights)
		}
		if _, err := fmt.Fprintf(c.Stderr, "%s on %s: %s\n", user, given.Stream, said); err != nil {
			return err
		}
	}
	if errors.Is(err, kurrent.ErrAccessDenied) {
		return fmt.Errorf("the user of KURRENTDB_URL is not an administrator: %w", err)
	}
	return err
}

func describeGroup(s subscription, differences []kurrent.Difference, created bool) string {
	var texts []string
	for _, d := range differences {
		texts = append(texts, d.Text)
	}
	group := fmt.Sprintf("group %s on %s", s.Group, s.Stream)
	switch {
	case created:
		return group + ": created"
	case len(differences) == 0:
		return group + ": exists with the expected settings"
	default:
		return fmt.Sprintf("%s: exists with other settings, left unchanged: %v", group, texts)
	}
}
