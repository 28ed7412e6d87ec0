package rig

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
)

// The binaries: the first half of their processes' names.
const (
	Worker    = "worker"
	Starter   = "starter"
	Publisher = "publisher"
	Projector = "projector"
	API       = "api"
)

// Orderflow is the operators' command, which no process runs for long.
const Orderflow = "orderflow"

// Client is the near end of the edges to the api: the clients that place orders by HTTP.
const Client = "client"

// kindsOfBinaries returns them.
func kindsOfBinaries() []string { return []string{Worker, Starter, Publisher, Projector, API} }

// uses returns the stores that a binary connects to.
func uses(binary string) []string {
	switch binary {
	case Worker:
		return []string{Temporal, KurrentDB, Postgres, SES}
	case Publisher, Projector:
		return []string{KurrentDB, Postgres}
	case API:
		return []string{Temporal, KurrentDB, Postgres}
	default:
		return []string{Temporal, KurrentDB}
	}
}

// addBinaries adds the processes under test, each with an edge to every store it uses.
func (r *Rig) addBinaries() error {
	for _, binary := range kindsOfBinaries() {
		for i := range r.options.number(binary) {
			if err := r.addBinary(binary, fmt.Sprintf("%s-%d", binary, i+1)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Rig) addBinary(binary, name string) error {
	nearEnd := map[string]string{} // the near end of its edge, by store
	for _, store := range uses(binary) {
		port, err := r.ports.Next()
		if err != nil {
			return err
		}
		nearEnd[store] = devserver.Loopback(port)
		upstream := r.addresses[store]
		if store == Postgres {
			upstream = r.clients.Addr()
		}
		e := newEdge(r.proxies, name, store, nearEnd[store], upstream)
		r.edges[e.Name] = e
	}
	port, err := r.ports.Next()
	if err != nil {
		return err
	}
	r.addresses[name] = devserver.Loopback(port)
	own := map[string]string{"OPS_ADDR": r.addresses[name]}
	if binary == API {
		if own["API_ADDR"], err = r.addClientEdge(name); err != nil {
			return err
		}
	}
	r.add(&Process{
		Name: name, ready: r.readyPage(name, programs.BinaryReady), pause: pauseOne,
		launch: func(ctx context.Context, variables map[string]string) (child, error) {
			environ := r.environment(nearEnd, own, r.options.Variables, variables)
			return r.launcher(name).Start(ctx, name, binary, nil, environ)
		},
	})
	return nil
}

// addClientEdge adds the edge through which clients reach an api, and returns the address
// that it must listen on.
func (r *Rig) addClientEdge(name string) (address string, err error) {
	var ports [2]int
	for i := range ports {
		if ports[i], err = r.ports.Next(); err != nil {
			return "", err
		}
	}
	address = devserver.Loopback(ports[0])
	e := newEdge(r.proxies, Client, name, devserver.Loopback(ports[1]), address)
	r.edges[e.Name], r.clientAddresses[name] = e, devserver.Loopback(ports[1])
	return address, nil
}

// ClientURLs returns the URLs of the apis as clients reach them, by their edges.
func (r *Rig) ClientURLs() []string {
	var urls []string
	for _, name := range slices.Sorted(maps.Keys(r.clientAddresses)) {
		urls = append(urls, "http://"+r.clientAddresses[name])
	}
	return urls
}

// databaseURL returns the URL of the database at an address.
func (r *Rig) databaseURL(address string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	direct, err := url.Parse(r.postgresURL)
	if err != nil {
		return r.postgresURL // made by devserver, so it parses
	}
	direct.Host = address
	return direct.String()
}

func portOf(address string) (int, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
