package rig

import (
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options say how big a rig is and where it lives.
type Options struct {
	Dir        string            // databases, inbox and logs; made when missing
	BinDir     string            // where worker, starter, kurrentsim and sessim are
	Workers    int               // how many of them
	Starters   int               // how many of them
	Publishers int               // how many of them; one works, the others wait
	Projectors int               // how many of them; one works, the others wait
	APIs       int               // how many of them
	KurrentDB  string            // connection string of one that another started and that nothing else uses; empty: kurrentsim
	Hidden     []string          // events as STREAM@REVISION that KurrentDB's projection never shows
	Variables  map[string]string // of the binaries, over the rig's own
	Progress   io.Writer         // is told in a line what happens
}

// number says how many processes of a binary there are.
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

// Log is the path of a process's log.
func (r *Rig) Log(process string) string { return filepath.Join(r.options.Dir, "log", process+".log") }

// machine is what a program needs of this process's environment. What else is set there is for somebody else's servers.
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

// Hold is how long orders are held that exceed their credit, unless the variables say otherwise.
func Hold(variables map[string]string) (time.Duration, error) {
	text, ok := variables["CREDIT_HOLD"]
	if !ok {
		return defaultHold, nil
	}
	return time.ParseDuration(text)
}

// product is what every binary is told, wherever its stores are. Times are short, so that a minute sees whole cycles.
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

// listed gives variables as os.Environ does. Later ones win.
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
