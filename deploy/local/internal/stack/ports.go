package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// ports are where the parts listen on the loopback interface. A part that is not started has none: 0.
type ports struct {
	kurrentdb, temporal, temporalUI, postgres, ses int
	api                                            int
	worker, starter, publisher, projector, apiOps  int // operations servers
}

// listed names each port by the part people know.
func (p *ports) listed() []listed {
	return []listed{
		{"KurrentDB", &p.kurrentdb}, {"Temporal", &p.temporal}, {"Temporal Web UI", &p.temporalUI}, {"Postgres", &p.postgres},
		{"SES inbox", &p.ses}, {"api", &p.api}, {"worker", &p.worker}, {"starter", &p.starter}, {"publisher", &p.publisher},
		{"projector", &p.projector}, {"operations of api", &p.apiOps},
	}
}

type listed struct {
	part   string
	number *int
}

func wellKnownPorts() ports {
	return ports{
		kurrentdb: 2113, temporal: 7233, temporalUI: 8233, postgres: 5433, ses: 8005, api: 8080,
		worker: 9101, starter: 9102, publisher: 9103, projector: 9104, apiOps: 9105,
	}
}

// choosePorts gives every part that is started here a port, and fails with one line for each that is taken.
func choosePorts(auto bool, e external) (ports, error) {
	chosen := wellKnownPorts()
	if e.kurrentdb {
		chosen.kurrentdb = 0
	}
	if e.temporal {
		chosen.temporal, chosen.temporalUI = 0, 0
	}
	if e.postgres {
		chosen.postgres = 0
	}
	if e.ses {
		chosen.ses = 0
	}
	if auto {
		return chosen, chosen.replaceByFree()
	}
	return chosen, chosen.requireFree()
}

func (p *ports) requireFree() error {
	var taken []error
	for _, port := range p.listed() {
		if *port.number != 0 && !free(*port.number) {
			taken = append(taken, fmt.Errorf("port %d (%s) is taken: stop what listens there, or use --ports auto", *port.number, port.part))
		}
	}
	return errors.Join(taken...)
}

// Free ports are looked for below the range that systems give to outgoing connections: between looking and listening, any
// connection could take one of those.
const (
	firstFree = 20_000
	lastFree  = 32_000
)

func (p *ports) replaceByFree() error {
	used := map[int]bool{}
	for _, port := range p.listed() {
		if *port.number == 0 {
			continue
		}
		number, err := freePort(used)
		if err != nil {
			return fmt.Errorf("find a port for %s: %w", port.part, err)
		}
		used[number] = true
		*port.number = number
	}
	return nil
}

func freePort(used map[int]bool) (int, error) {
	const attempts = 1000
	for range attempts {
		number := firstFree + rand.IntN(lastFree-firstFree)
		if !used[number] && free(number) {
			return number, nil
		}
	}
	return 0, fmt.Errorf("none of %d tried is free", attempts)
}

func free(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
