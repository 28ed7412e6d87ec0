package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// defaultKurrentPort is the port of a connection string that names none.
const defaultKurrentPort = "2113"

// errHoldsOrders rejects a KurrentDB with orders of another run: they would all be
// missing from the other stores of this run.
var errHoldsOrders = errors.New("this KurrentDB holds orders already: start it with an empty data directory")

// external reports whether KurrentDB is external, so that it is not stopped, killed or
// told to hide anything.
func (o Options) external() bool { return o.KurrentDB != "" }

// CheckKurrentDB returns an error if the rig cannot put its proxies in front of the
// server. The error does not quote the connection string.
func CheckKurrentDB(connection string) error {
	_, err := parseKurrentDB(connection)
	return err
}

func parseKurrentDB(connection string) (*url.URL, error) {
	at, err := url.Parse(connection)
	switch {
	case err != nil, at.Hostname() == "", strings.Contains(at.Host, ","):
		return nil, errors.New("must be a connection string of one node, such as kurrentdb://host:2113?tls=false")
	case !slices.Contains([]string{"kurrentdb", "kurrent", "kdb", "esdb"}, at.Scheme):
		return nil, errors.New("must name a node: what is discovered is reached past the proxies")
	}
	if at.Port() == "" {
		at.Host = net.JoinHostPort(at.Hostname(), defaultKurrentPort)
	}
	return at, nil
}

// useKurrentDB uses an external KurrentDB instead of a process.
func (r *Rig) useKurrentDB() error {
	at, err := parseKurrentDB(r.options.KurrentDB)
	if err != nil {
		return fmt.Errorf("KurrentDB: %w", err)
	}
	r.kurrentdb, r.addresses[KurrentDB] = *at, at.Host
	return nil
}

// kurrentURL returns the connection string of KurrentDB at an address.
func (r *Rig) kurrentURL(address string) string {
	at := r.kurrentdb
	at.Host = address
	return at.String()
}

// openExternal opens the edges to an external KurrentDB, after checking that it holds no
// orders of others.
func (r *Rig) openExternal(ctx context.Context) error {
	if !r.options.external() {
		return nil
	}
	if err := r.ask(ctx, requireNoOrders); err != nil {
		return fmt.Errorf("KurrentDB: %w", err)
	}
	for _, e := range r.edgesTo(KurrentDB) {
		if err := e.Open(); err != nil {
			return err
		}
	}
	return nil
}
