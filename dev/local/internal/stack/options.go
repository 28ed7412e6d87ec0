package stack

import (
	"io"

	"orderflow/dev/programs"
)

// Options configure a stack.
type Options struct {
	Dir       string    // the state folder: databases, logs, stack.json
	BinDir    string    // where the other binaries are, and the Temporal CLI if there is none on PATH
	Environ   []string  // of this process, as from os.Environ; parts that it points elsewhere are not started
	AutoPorts bool      // use free ports instead of the well-known ones
	Fresh     bool      // delete the state of earlier runs
	RealSES   bool      // send through Amazon SES with the credentials of the environment
	Hold      string    // CREDIT_HOLD if the environment does not set it
	Download  bool      // try to download the Temporal CLI before it is built
	Progress  io.Writer // receives progress, one line at a time

	TwoVersions bool // run the worker as two versions of a Worker Deployment
}

func (o Options) launcher() programs.Launcher {
	return programs.Launcher{BinDir: o.BinDir, StateDir: o.Dir}
}

// Description is the content of stack.json.
type Description struct {
	TemporalAddress string         `json:"temporalAddress"`
	TemporalUI      string         `json:"temporalUI"`  // empty if Temporal is external: its UI is not known
	TemporalCLI     string         `json:"temporalCLI"` // the program's path; empty if there is none
	KurrentDBURL    string         `json:"kurrentdbURL"`
	PostgresURL     string         `json:"postgresURL"`
	SESURL          string         `json:"sesURL"` // empty with the real SES
	APIURL          string         `json:"apiURL"`
	CodecURL        string         `json:"codecURL,omitempty"` // decrypts payloads; empty if none is encrypted
	PIDs            map[string]int `json:"pids"`               // by process name; local is this process
}
