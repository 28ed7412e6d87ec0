// Package programs runs the programs of this repository as child processes. The local
// stack, chaos, the benchmark and the comparison with a real server share it.
//
// It owns where the programs are, the environment that leads them to their servers, how
// they are stopped, also by a signal to their parent, and how their readiness is found
// out. Which of them run, where they listen, in which order they start, and what follows
// when one ends is left to the callers. Package devserver owns processes in general, and
// the servers that other projects provide.
package programs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"orderflow/dev/devserver"
)

// Launcher starts programs.
type Launcher struct {
	BinDir   string // the programs
	StateDir string // their logs
}

// Log returns the path of a process's log.
func (l Launcher) Log(process string) string { return filepath.Join(l.StateDir, "log", process+".log") }

// Require returns an error that names the programs that are missing and the target of
// make that builds them.
func (l Launcher) Require(target string, programs ...string) error {
	var missing []error
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(l.BinDir, name)); err != nil {
			missing = append(missing, fmt.Errorf("%s is not in %s: build it with make %s", name, l.BinDir, target))
		}
	}
	return errors.Join(missing...)
}

// Program is a running program.
type Program struct{ *devserver.Process }

// Start starts a program as a process of the given name. The context applies only to
// starting.
func (l Launcher) Start(ctx context.Context, process, program string, args, environ []string) (Program, error) {
	running, err := devserver.Start(ctx, devserver.Command{
		Name: process, Path: filepath.Join(l.BinDir, program), Args: args, Env: environ, LogFile: l.Log(process),
	})
	return Program{running}, err
}

// Stop stops the program in an orderly way, or kills it if ctx is done first.
func (p Program) Stop(ctx context.Context) error {
	return p.Process.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL)
}

// The paths that respond with a success once a program is ready: of a simulator, and of a
// binary's operations server.
const (
	SimulatorReady = "/health/live"
	BinaryReady    = "/readyz"
)

// readyTimeout bounds one question whether a program is ready.
const readyTimeout = 5 * time.Second

// Ready asks a program once whether it is ready. Its error says what is not.
func Ready(ctx context.Context, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 == 2 {
		return nil
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
	return fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(body)))
}
