package kurrent

import (
	"context"
	"encoding/json"
	"fmt"
)

// Plaintext reports whether the connection has no TLS. The server then checks no rights.
func (c *Client) Plaintext() bool { return c.pool.settings().DisableTLS }

// GroupsOf returns the groups of a user. It returns ErrNotFound if there is no such user,
// and ErrAccessDenied unless the caller is an administrator.
func (c *Client) GroupsOf(ctx context.Context, user string) ([]string, error) {
	last, err := c.LastEvent(ctx, "$user-"+user)
	if err != nil {
		return nil, fmt.Errorf("read user %s: %w", user, err)
	}
	var described struct {
		Groups []string `json:"groups"`
	}
	if err := json.Unmarshal(last.Data, &described); err != nil {
		return nil, fmt.Errorf("read user %s: %w", user, ErrMalformed)
	}
	return described.Groups, nil
}
