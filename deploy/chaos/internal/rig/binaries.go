package rig

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
)

// The binaries, as the first half of their processes' names.
const (
	Worker    = "worker"
	Starter   = "starter"
	Publisher = "publisher"
	Projector = "projector"
)

// kindsOfBinaries lists them.
func kindsOfBinaries() []string { return []string{Worker, Starter, Publisher, Projector} }

// uses says which stores a binary talks to.
func uses(binary string) []string {
	switch binary {
	case Worker:
		return []string{Temporal, KurrentDB, Postgres, SES}
	case Publisher, Projector:
		return []string{KurrentDB, Postgres}
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
	way := map[string]string{} // the near end of its edge, by store
	for _, store := range uses(binary) {
		port, err := r.ports.Next()
		if err != nil {
			return err
		}
		way[store] = loopback(port)
		e := newEdge(r.proxies, name, store, way[store], r.addresses[store])
		r.edges[e.Name] = e
	}
	port, err := r.ports.Next()
	if err != nil {
		return err
	}
	r.addresses[name] = loopback(port)
	r.add(&Process{
		Name: name, ready: r.answers(name, "/readyz"), pause: pauseOne,
		launch: func(ctx context.Context, variables map[string]string) (child, error) {
			own := map[string]string{"OPS_ADDR": r.addresses[name]}
			environ := listed(machine(), product(), r.ways(way), own, r.options.Variables, variables)
			return r.launchBinary(ctx, name, binary, nil, environ)
		},
	})
	return nil
}

// ways are the variables that lead to the stores by these addresses.
func (r *Rig) ways(address map[string]string) map[string]string {
	variables := map[string]string{
		"TEMPORAL_ADDRESS": address[Temporal],
		"KURRENTDB_URL":    "kurrentdb://" + address[KurrentDB] + "?tls=false",
	}
	if to, ok := address[Postgres]; ok {
		variables["POSTGRES_URL"] = r.databaseURL(to)
	}
	if to, ok := address[SES]; ok {
		variables["AWS_ENDPOINT_URL_SESV2"] = "http://" + to
	}
	return variables
}

// databaseURL is how the database is reached by an address.
func (r *Rig) databaseURL(address string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	direct, err := url.Parse(r.postgresURL)
	if err != nil {
		return r.postgresURL // made by devserver: it parses
	}
	direct.Host = address
	return direct.String()
}

// Environment holds the variables of a program that is to reach the stores directly, past every fault.
func (r *Rig) Environment() []string {
	return listed(machine(), product(), r.ways(r.addresses))
}

func portOf(address string) (int, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(port)
}
