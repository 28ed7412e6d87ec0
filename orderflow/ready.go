package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
)

const (
	// readyTimeout bounds the request. A daemon's own checks take up to 2 seconds.
	readyTimeout = 5 * time.Second

	// maxReport bounds what is read of the daemon's report.
	maxReport = 64 << 10
)

// ready returns the command that container platforms run as a health check: the image has
// no shell and no curl.
func (c *cli) ready() *cobra.Command {
	var excluded []string
	cmd := &cobra.Command{
		Use: "ready", Short: "ask the daemon at OPS_ADDR whether it is ready",
		Long: "Ask the daemon on this machine whether it is ready, with the OPS_ADDR that the daemon has. It prints what\n" +
			"/readyz returns. Exit code 0 means ready, 1 not ready or not reachable.",
		Args: c.takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := settings[readySettings](c)
			if err != nil {
				return err
			}
			return c.askReady(cmd.Context(), readyURL(localAddress(s.Addr), excluded))
		},
	}
	cmd.Flags().Var(value{"check", func(name string) error {
		excluded = append(excluded, name)
		return nil
	}}, "exclude", "show this check without counting it, such as slot of publisher or view of projector; repeatable")
	return cmd
}

// readyURL returns the URL of a daemon's readiness without the excluded checks.
func readyURL(address string, excluded []string) string {
	u := url.URL{Scheme: "http", Host: address, Path: "/readyz", RawQuery: url.Values{"exclude": excluded}.Encode()}
	return u.String()
}

// readySettings are the settings of the command ready.
type readySettings struct{ config.Ops }

// Validate requires the address, which is optional for a daemon.
func (s readySettings) Validate() []config.Fault {
	if s.Addr == "" {
		return []config.Fault{{Name: "OPS_ADDR", Problem: "is required"}}
	}
	return nil
}

// localAddress returns an address at which this machine reaches a server that listens on
// addr, which may mean all interfaces.
func localAddress(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}

func (c *cli) askReady(ctx context.Context, readyz string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, readyz, nil)
	if err != nil {
		return fmt.Errorf("ready: %w", err)
	}
	// A proxy of the environment is for other machines.
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return fmt.Errorf("ready: %w", err)
	}
	defer response.Body.Close()
	report, err := io.ReadAll(io.LimitReader(response.Body, maxReport))
	if err != nil {
		return fmt.Errorf("ready: read the report: %w", err)
	}
	if _, err := c.stdout.Write(report); err != nil {
		return fmt.Errorf("ready: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return errors.New("not ready")
	}
	return nil
}
