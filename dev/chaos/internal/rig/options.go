package rig

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options configure a rig.
type Options struct {
	Dir        string            // databases, inbox and logs; created if missing
	BinDir     string            // where worker, starter, kurrentsim and sessim are
	Workers    int               // number of processes
	Starters   int               // number of processes
	Publishers int               // number of processes; one works, the others wait for leadership
	Projectors int               // number of processes; one works, the others wait for leadership
	APIs       int               // number of processes
	KurrentDB  string            // connection string of an external one that nothing else uses; empty means kurrentsim
	Hidden     []string          // events as STREAM@REVISION that KurrentDB's projection never shows
	Variables  map[string]string // of the binaries; they override the rig's own
	Progress   io.Writer         // receives progress, one line at a time
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

// Log returns the path of a process's log.
func (r *Rig) Log(process string) string { return filepath.Join(r.options.Dir, "log", process+".log") }

// machine lists the variables of this process that a program needs. Other variables may
// point to other servers.
func machine() map[string]string {
	kept := map[string]string{}
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

// product returns the variables of every binary, wherever its stores are. Times are
// short, so that a minute covers whole cycles.
func product() map[string]string {
	return map[string]string{
		"KURRENTDB_ALLOW_PLAINTEXT": "true",
		"TEMPORAL_CONFIG_FILE":      os.DevNull,
		"AWS_ACCESS_KEY_ID":         "chaos",
		"AWS_SECRET_ACCESS_KEY":     "chaos",
		"AWS_REGION":                "us-east-1",
		"EMAIL_FROM":                "orders@shop.example",
		"EMAIL_UNKNOWN_GRACE":       "1s",
		"CREDIT_HOLD":               defaultHold.String(),
		"STARTER_MESSAGE_TIMEOUT":   "10s",
		"SHUTDOWN_TIMEOUT":          "5s",
	}
}

// listed returns variables in the form of os.Environ. Later ones override earlier ones.
func listed(layers ...map[string]string) []string {
	all := map[string]string{}
	for _, layer := range layers {
		maps.Copy(all, layer)
	}
	var list []string
	for name, value := range all {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}
