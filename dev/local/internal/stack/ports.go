package stack

import (
	"errors"
	"fmt"
	"net"

	"orderflow/dev/devserver"
)

// ports are where the parts listen on the loopback interface. A part that is not started
// has port 0.
type ports struct {
	kurrentdb, temporal, temporalUI, postgres, ses int
	api                                            int
	worker, starter, publisher, projector, apiOps  int // operations servers
	nextWorker                                     int // of the second version
}

// listed pairs each port with the name of its part for messages.
func (p *ports) listed() []listed {
	return []listed{
		{"KurrentDB", &p.kurrentdb}, {"Temporal", &p.temporal}, {"Temporal Web UI", &p.temporalUI}, {"Postgres", &p.postgres},
		{"SES inbox", &p.ses}, {"api", &p.api}, {"worker", &p.worker}, {"starter", &p.starter}, {"publisher", &p.publisher},
		{"projector", &p.projector}, {"operations of api", &p.apiOps}, {"worker of the next version", &p.nextWorker},
	}
}

type listed struct {
	part   string
	number *int
}

func wellKnownPorts() ports {
	return ports{
		kurrentdb: 2113, temporal: 7233, temporalUI: 8233, postgres: 5433, ses: 8005, api: 8080,
		worker: 9101, starter: 9102, publisher: 9103, projector: 9104, apiOps: 9105, nextWorker: 9106,
	}
}

// choosePorts returns a port for every part that is started here, and one for a worker of
// another version if there are two. It fails with one line
// for each port that is taken. Automatic ports come from the block reserved for this
// stack.
func choosePorts(own *devserver.Ports, e external, twoVersions bool) (ports, error) {
	chosen := wellKnownPorts()
	if !twoVersions {
		chosen.nextWorker = 0
	}
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
	if own == nil {
		return chosen, chosen.requireFree()
	}
	return chosen, chosen.takeFrom(own)
}

func (p *ports) requireFree() error {
	var taken []error
	for _, port := range p.listed() {
		if *port.number != 0 && !free(*port.number) {
			taken = append(taken, fmt.Errorf("port %d (%s) is in use: stop what listens there, or use --ports auto", *port.number, port.part))
		}
	}
	return errors.Join(taken...)
}

func (p *ports) takeFrom(own *devserver.Ports) (err error) {
	for _, port := range p.listed() {
		if *port.number == 0 {
			continue
		}
		if *port.number, err = own.Next(); err != nil {
			return fmt.Errorf("find a port for %s: %w", port.part, err)
		}
	}
	return nil
}

func free(port int) bool {
	listener, err := net.Listen("tcp", devserver.Loopback(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}
