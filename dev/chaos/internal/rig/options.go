package rig

import (
	"io"
	"maps"
	"os"
	"time"

	"orderflow/dev/programs"
	"orderflow/dev/sessim"
)

// Options configure a rig.
type Options struct {
	Dir         string            // databases, inbox and logs; created if missing
	BinDir      string            // where worker, starter, kurrentsim and sessim are
	ReleaseDir  string            // where the binaries of a release are that run until they are upgraded; empty means none
	Workers     int               // number of processes
	Starters    int               // number of processes
	Publishers  int               // number of processes; one works, the others wait for leadership
	Projectors  int               // number of processes; one works, the others wait for leadership
	APIs        int               // number of processes
	KurrentDB   string            // connection string of an external one that nothing else uses; empty means kurrentsim
	Hidden      []string          // events as STREAM@REVISION that KurrentDB's projection never shows
	Variables   map[string]string // of the binaries; they override the rig's own
	EmailEvents bool              // the workers consume the email provider's events
	Progress    io.Writer         // receives progress, one line at a time
}

// number returns how many processes of a binary there are.
func (o Options) number(binary string) int {
	switch binary {
	case Worker:
		return o.Workers
	case Starter:
		return o.Starters
	case Publisher:
		return o.Publishers
	case API:
		return o.APIs
	default:
		return o.Projectors
	}
}

func (o Options) launcher() programs.Launcher {
	return programs.Launcher{BinDir: o.BinDir, StateDir: o.Dir}
}

// Log returns the path of a process's log.
func (r *Rig) Log(process string) string { return r.options.launcher().Log(process) }

// machine returns the variables of this process that a program needs. Other variables may
// point to other servers.
func machine() programs.Environment {
	kept := programs.Environment{}
	for _, name := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, ok := os.LookupEnv(name); ok {
			kept[name] = value
		}
	}
	return kept
}

// defaultHold is how long an order that exceeds its credit is held.
const defaultHold = 20 * time.Second

// Hold returns how long orders that exceed their credit are held, unless the variables
// set it.
func Hold(variables map[string]string) (time.Duration, error) {
	text, ok := variables["CREDIT_HOLD"]
	if !ok {
		return defaultHold, nil
	}
	return time.ParseDuration(text)
}

// shortTimes returns variables of every binary. Times are short, so that a minute covers
// whole cycles.
func shortTimes() map[string]string {
	return map[string]string{
		"EMAIL_UNKNOWN_GRACE":     "1s",
		"CREDIT_HOLD":             defaultHold.String(),
		"STARTER_MESSAGE_TIMEOUT": "10s",
		"SHUTDOWN_TIMEOUT":        "5s",
	}
}

// environment returns the variables of a program that reaches the stores at these
// addresses. Later variables override earlier ones.
func (r *Rig) environment(address map[string]string, more ...map[string]string) []string {
	e := machine()
	e.LeadTo(r.servers(address))
	for _, variables := range append([]map[string]string{shortTimes()}, more...) {
		maps.Copy(e, variables)
	}
	if r.encrypts() {
		e["PAYLOAD_KEYS_FILE"] = r.KeysFile()
	}
	return e.Environ()
}

// servers returns where the stores at these addresses are.
func (r *Rig) servers(address map[string]string) programs.Servers {
	s := programs.Servers{KurrentDB: r.kurrentURL(address[KurrentDB]), Temporal: address[Temporal]}
	if to, ok := address[Postgres]; ok {
		s.Postgres = r.databaseURL(to)
	}
	if to, ok := address[SES]; ok {
		s.SES = "http://" + to
		if r.options.EmailEvents {
			s.Events = s.SES + sessim.EventsQueuePath
		}
	}
	return s
}
