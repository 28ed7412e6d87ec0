package stack

import (
	"io"
	"path/filepath"
)

// Options say how a stack is to be run.
type Options struct {
	Dir       string    // the state folder: databases, logs, stack.json
	BinDir    string    // where the other binaries are, and the Temporal CLI if there is none on PATH
	Environ   []string  // of this process, as os.Environ gives it; what it points elsewhere is not started
	AutoPorts bool      // take free ports, else the well-known ones
	Fresh     bool      // forget what earlier runs left
	RealSES   bool      // send through Amazon SES with the credentials of the environment
	Hold      string    // CREDIT_HOLD where the environment does not set it
	Progress  io.Writer // is told in a line what happens
}

func (o Options) logFile(process string) string { return filepath.Join(o.Dir, "log", process+".log") }

// Description is what stack.json holds.
type Description struct {
	TemporalAddress string         `json:"temporalAddress"`
	TemporalUI      string         `json:"temporalUI"`  // empty when Temporal is not ours: nobody told
	TemporalCLI     string         `json:"temporalCLI"` // the program's path; empty when there is none
	KurrentDBURL    string         `json:"kurrentdbURL"`
	PostgresURL     string         `json:"postgresURL"`
	SESURL          string         `json:"sesURL"` // empty with the real SES
	APIURL          string         `json:"apiURL"`
	PIDs            map[string]int `json:"pids"` // by process; local is this one
}
