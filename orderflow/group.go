package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/routes"
)

// groupTimeout bounds creating the group from the command line.
const groupTimeout = 30 * time.Second

func (c *cli) createGroup() *cobra.Command {
	cmd := &cobra.Command{
		Use: "create", Short: "create the starter's groups, and grant a starter's user the right to join them",
		Long: "Create the groups of the starter's persistent subscriptions, for platforms whose starter may not. An existing group\n" +
			"is left unchanged; it is an error if that group loses events. With STARTER_STREAM, the group of that stream alone.",
		Args: c.takes(),
	}
	var users []string
	cmd.Flags().Var(value{"user", func(name string) error {
		users = append(users, name)
		return checkUser(name)
	}}, "grant", "allow this user, or group of users, to join, and to see and drop parked events; repeatable; requires an administrator")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		g, err := c.openGroup()
		if err != nil {
			return err
		}
		defer g.Close()
		ctx, cancel := context.WithTimeout(cmd.Context(), groupTimeout)
		defer cancel()
		for _, each := range append([]*group{g}, g.others...) {
			if err := each.prepare(ctx, c.stderr, users); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

// maxName bounds the name of a user, in bytes.
const maxName = 128

func checkUser(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("must be the name of a user or of a group of users, of at most %d bytes", maxName)
	}
	return nil
}

// groupSettings are the settings of commands about the starter's group.
type groupSettings struct {
	config.Log
	config.KurrentDB
	Subscription config.Subscription
}

// group is the group of the subscription that the settings name.
type group struct {
	*bridge.KurrentDB
	bridge.Subscription
	others []*group // of the starter, if this is its group of orders
}

// openGroup opens the group of the settings. The caller closes it.
func (c *cli) openGroup(others ...error) (*group, error) {
	s, invalid := settings[groupSettings](c, others...)
	logger := s.Logger(c.stderr)
	urlErr := kurrent.Config{URL: s.URL, AllowPlaintext: s.AllowPlaintext}.Validate()
	if err := config.Merge(invalid, urlErr); err != nil {
		return nil, err
	}
	events, err := bridge.Connect(s.URL, bridge.ConnectOptions{AllowPlaintext: s.AllowPlaintext, CallTimeout: storeTimeout, Logger: logger})
	if err != nil {
		return nil, err
	}
	named := &group{KurrentDB: events, Subscription: routes.Subscription(s.Subscription)}
	if s.Subscription.Stream == ordersStream {
		for _, other := range routes.Subscriptions(s.Subscription)[1:] {
			named.others = append(named.others, &group{KurrentDB: events, Subscription: routes.Subscription(other)})
		}
	}
	return named, nil
}

// ordersStream is the stream of the starter's group of orders. Other streams are those of
// other bridges, whose groups have no others.
const ordersStream = "$ce-order"

// prepare creates the group and grants the users what is needed to join it.
func (g *group) prepare(ctx context.Context, w io.Writer, users []string) error {
	if err := g.create(ctx, w); err != nil {
		return err
	}
	for _, user := range users {
		if err := g.grant(ctx, w, user); err != nil {
			return err
		}
	}
	return nil
}

// create creates the group, unless it exists, and says which.
func (g *group) create(ctx context.Context, w io.Writer) error {
	differences, created, err := g.EnsureGroup(ctx, g.Subscription)
	if err != nil {
		return fmt.Errorf("create group: %w", err)
	}
	if reason := g.LossReason(differences); reason != "" {
		return errors.New(reason)
	}
	var texts []string
	for _, d := range differences {
		texts = append(texts, d.Text)
	}
	said := "exists with the expected settings"
	switch {
	case created:
		said = "created"
	case len(texts) > 0:
		said = fmt.Sprintf("exists with other settings, left unchanged: %v", texts)
	}
	_, err = fmt.Fprintf(w, "%s: %s\n", g, said)
	return err
}

// grant grants a user the starter's rights and says which of them were missing.
func (g *group) grant(ctx context.Context, w io.Writer, user string) error {
	grants, err := g.Grant(ctx, g.Subscription, user)
	for _, given := range grants {
		said := "has the rights already"
		if len(given.Rights) > 0 {
			said = fmt.Sprintf("granted %v", given.Rights)
		}
		if _, err := fmt.Fprintf(w, "%s on %s: %s\n", user, given.Stream, said); err != nil {
			return err
		}
	}
	if errors.Is(err, bridge.ErrAccessDenied) {
		return fmt.Errorf("the user of KURRENTDB_URL is not an administrator: %w", err)
	}
	return err
}

// String returns the group's name for messages.
func (g *group) String() string { return fmt.Sprintf("group %s on %s", g.Group, g.Stream) }
