package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"orderflow/internal/config"
)

// The processes of a stack. Their logs have the same names.
const (
	postgresPart   = "postgres"
	temporalPart   = "temporal"
	kurrentsimPart = "kurrentsim"
	sessimPart     = "sessim"
	workerPart     = "worker"
	nextWorkerPart = "worker-next" // of the second version
	starterPart    = "starter"
	publisherPart  = "publisher"
	projectorPart  = "projector"
	apiPart        = "api"
)

// operator is the operators' command, which prepares the database.
const operator = "orderflow"

// part is one running process of the stack.
type part struct {
	name string
	pid  int
	log  string
	done <-chan struct{}
	err  func() error
	stop func(context.Context) error
}

// turn is a group of parts that are stopped concurrently, and how long they have before
// they are killed.
type turn struct {
	names []string
	grace time.Duration
}

// stopOrder lets work finish: input stops first, then work in progress completes, then
// the stores stop. The total fits in 30 seconds.
func stopOrder() []turn {
	return []turn{
		{[]string{apiPart}, 2 * time.Second},
		{[]string{starterPart}, 6 * time.Second},
		{[]string{workerPart, nextWorkerPart}, 7 * time.Second},
		{[]string{publisherPart, projectorPart}, 4 * time.Second},
		{[]string{sessimPart, kurrentsimPart, temporalPart, postgresPart}, 10 * time.Second},
	}
}

func graceOf(name string) time.Duration {
	for _, t := range stopOrder() {
		if slices.Contains(t.names, name) {
			return t.grace
		}
	}
	return 0
}

// EndedError reports that a part ended without being stopped.
type EndedError struct {
	Part string
	Log  string
	Err  error // how it ended; nil for exit code 0
}

// Error returns the part, the end of its log, and the path of the log.
func (e *EndedError) Error() string {
	how := "exit status 0"
	if e.Err != nil {
		how = e.Err.Error()
	}
	text := fmt.Sprintf("%s ended unexpectedly: %s", e.Part, how)
	if tail := lastLines(e.Log); tail != "" {
		text += "\n" + tail
	}
	return text + "\nlog: " + e.Log
}

// Unwrap returns how the part ended. If a binary rejected its configuration, Unwrap
// returns a *config.Error: the environment came from this process.
func (e *EndedError) Unwrap() error {
	var exit *exec.ExitError
	if errors.As(e.Err, &exit) && exit.ExitCode() == config.ExitConfiguration {
		if found := faults(lastLines(e.Log)); len(found) > 0 {
			return &config.Error{Faults: found}
		}
	}
	return e.Err
}

// faults parses lines of the form `NAME: what is wrong`.
func faults(lines string) []config.Fault {
	var found []config.Fault
	for line := range strings.Lines(lines) {
		if name, problem, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.Contains(name, " ") {
			found = append(found, config.Fault{Name: name, Problem: problem})
		}
	}
	return found
}

// lastLines returns the end of a log, which holds the reason why a process ended.
func lastLines(path string) string {
	const window, most = 4 << 10, 5
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if info, err := file.Stat(); err == nil && info.Size() > window {
		_, _ = file.Seek(-window, io.SeekEnd)
	}
	body, _ := io.ReadAll(io.LimitReader(file, window))
	lines := strings.Split(strings.TrimSpace(string(body)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
