package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// binaries is the folder of the binaries, built once from the sources of the test.
var binaries string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "orderflow-e2e-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	binaries = dir
	build := exec.CommandContext(ctx, "go", "build", "-o", dir+"/", "./...")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the binaries: %w\n%s", err, out)
	}
	cli, err := devserver.TemporalCLI(ctx, "", os.Stderr)
	if err != nil {
		return 0, err
	}
	// local looks for the CLI next to itself before it builds one.
	if err := os.Symlink(cli, filepath.Join(dir, "temporal")); err != nil {
		return 0, err
	}
	code := m.Run()
	stopShared()
	return code, nil
}

// stack is a running local stack, as described by its stack.json.
type stack struct {
	TemporalAddress string         `json:"temporalAddress"`
	TemporalUI      string         `json:"temporalUI"`
	TemporalCLI     string         `json:"temporalCLI"`
	KurrentURL      string         `json:"kurrentdbURL"`
	PostgresURL     string         `json:"postgresURL"`
	SESURL          string         `json:"sesURL"`
	APIURL          string         `json:"apiURL"`
	PIDs            map[string]int `json:"pids"`

	dir string
	cmd *exec.Cmd
	log *bytes.Buffer // its standard error; complete once silent is closed

	silent chan struct{}
}

// kurrentDB is an external server for the tests that share a stack; the other tests
// always start kurrentsim.
var kurrentDB = flag.String("kurrentdb", "", "connection `string` of a KurrentDB to run the shared stack on")

// startStack runs the stack in dir until stop, with environ added to the environment of
// this process.
func startStack(dir string, environ []string, args ...string) (*stack, error) {
	return startStackOf(binaries, dir, environ, args...)
}

// startStackOf is startStack with the programs of another directory.
func startStackOf(programs, dir string, environ []string, args ...string) (*stack, error) {
	s := &stack{dir: dir, log: &bytes.Buffer{}, silent: make(chan struct{})}
	s.cmd = exec.Command(filepath.Join(programs, "local"), append([]string{"--ports", "auto", "--state", dir}, args...)...)
	s.cmd.Env = append(os.Environ(), environ...)
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	ready := make(chan bool, 1)
	go func() {
		defer close(s.silent)
		ready <- awaitReady(stderr, s.log)
		_, _ = io.Copy(s.log, stderr)
	}()
	select {
	case ok := <-ready:
		if !ok {
			_ = s.cmd.Wait()
			return nil, fmt.Errorf("the stack did not become ready:\n%s", s.log)
		}
	case <-time.After(2 * time.Minute):
		return nil, errors.Join(errors.New("the stack took too long"), s.stop())
	}
	description, err := os.ReadFile(filepath.Join(dir, "stack.json"))
	if err != nil {
		return nil, err
	}
	return s, json.Unmarshal(description, s)
}

func awaitReady(stderr io.Reader, log *bytes.Buffer) bool {
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		fmt.Fprintln(log, lines.Text())
		if strings.TrimSpace(lines.Text()) == "ready" {
			return true
		}
	}
	return false
}

// stop ends the stack as Ctrl-C would, and returns an error if it did not end properly.
func (s *stack) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	timer := time.AfterFunc(time.Minute, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	<-s.silent // Wait closes the pipe
	return s.cmd.Wait()
}

var shared struct {
	once  sync.Once
	stack *stack
	err   error
}

// sharedStack returns the stack shared by the tests that each look at their own orders
// only. Orders that exceed their credit go on hold; an email of unknown outcome is sent
// again after a second.
func sharedStack(t *testing.T) *stack {
	t.Helper()
	shared.once.Do(func() {
		environ := []string{"CREDIT_HOLD=30m", "EMAIL_UNKNOWN_GRACE=1s"}
		if *kurrentDB != "" { // its group may have been created by a run of chaos, with that message timeout
			environ = append(environ, "KURRENTDB_URL="+*kurrentDB, "STARTER_MESSAGE_TIMEOUT=10s")
		}
		shared.stack, shared.err = startStack(filepath.Join(binaries, "state"), environ, "--rate", "0")
	})
	require.NoError(t, shared.err)
	return shared.stack
}

func stopShared() {
	if shared.stack != nil {
		if err := shared.stack.stop(); err != nil {
			fmt.Fprintf(os.Stderr, "the stack did not stop well: %v\n%s", err, shared.stack.log)
		}
	}
}
