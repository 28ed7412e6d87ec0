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

// The processes of a stack, as their logs are called.
const (
	postgresPart   = "postgres"
	temporalPart   = "temporal"
	kurrentsimPart = "kurrentsim"
	sessimPart     = "sessim"
	workerPart     = "worker"
	starterPart    = "starter"
	publisherPart  = "publisher"
	projectorPart  = "projector"
	apiPart        = "api"
)

// part is one running process of the stack.
type part struct {
	name string
	pid  int
	log  string
	done <-chan struct{}
	err  func() error
	stop func(context.Context) error
}

// turn is when parts are stopped, beside each other, and how long they have before they are ended by force.
type turn struct {
	names []string
	grace time.Duration
}

// stopOrder lets work finish: no more comes in, what is in hand is done, then the stores go. All of it fits 30 seconds.
func stopOrder() []turn {
	return []turn{
		{[]string{apiPart}, 2 * time.Second},
		{[]string{starterPart}, 6 * time.Second},
		{[]string{workerPart}, 7 * time.Second},
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

// EndedError says that a part ended although nobody had asked it to.
type EndedError struct {
	Part string
	Log  string
	Err  error // how it ended; nil for exit code 0
}

// Error names the part, what it said last, and where it said more.
func (e *EndedError) Error() string {
	how := "exit status 0"
	if e.Err != nil {
		how = e.Err.Error()
	}
	text := fmt.Sprintf("%s ended by itself: %s", e.Part, how)
	if said := lastLines(e.Log); said != "" {
		text += "\n" + said
	}
	return text + "\nits log: " + e.Log
}

// Unwrap gives how it ended. A binary that refused its configuration makes it ours: the environment came through us.
func (e *EndedError) Unwrap() error {
	var exit *exec.ExitError
	if errors.As(e.Err, &exit) && exit.ExitCode() == config.ExitConfiguration {
		if found := faults(lastLines(e.Log)); len(found) > 0 {
			return &config.Error{Faults: found}
		}
	}
	return e.Err
}

// faults reads back the lines `NAME: what is wrong`.
func faults(lines string) []config.Fault {
	var found []config.Fault
	for line := range strings.Lines(lines) {
		if name, problem, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.Contains(name, " ") {
			found = append(found, config.Fault{Name: name, Problem: problem})
		}
	}
	return found
}

// lastLines gives the end of a log: why a process ended stands there.
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
