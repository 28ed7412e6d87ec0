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
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"orderflow/dev/devserver"
	"orderflow/dev/programs"
	"orderflow/internal/payloadcodec"
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
	if err := leaveOut(); err != nil {
		return 0, err
	}
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
	if err := errors.Join(searchShared(), checkEvents(), stopShared()); err != nil {
		return code, err
	}
	return code, nil
}

// stack is a running local stack, as described by its stack.json.
type stack struct {
	TemporalAddress string `json:"temporalAddress"`
	TemporalUI      string `json:"temporalUI"`
	KurrentURL      string `json:"kurrentdbURL"`
	PostgresURL     string `json:"postgresURL"`
	SESURL          string `json:"sesURL"`
	APIURL          string `json:"apiURL"`

	dir         string
	environment programs.Environment // of programs that use the stack as its operator
	secured     *secureServers       // nil without
	cmd         *exec.Cmd
	log         *bytes.Buffer // its standard error; complete once silent is closed

	silent chan struct{}
}

// kurrentDB is an external server for the tests that share a stack; the other tests
// always start kurrentsim.
var kurrentDB = flag.String("kurrentdb", "", "connection `string` of a KurrentDB to run the shared stack on")

// stackOptions are how a stack is started. Servers that the environment names are used as
// they are.
type stackOptions struct {
	dir     string
	environ []string            // added to the environment of this process
	own     map[string][]string // further variables of single binaries
	restart map[string]string   // binaries that are started again when they end, each with the file for its process id
	secure  bool                // on secureServers
	args    []string
}

// startStack runs the stack in dir until stop, with environ added to the environment of
// this process.
func startStack(dir string, environ []string, args ...string) (*stack, error) {
	return startStackWith(stackOptions{dir: dir, environ: environ, secure: *secureSuite, args: args})
}

// newLocal prepares a run of local. The stack that it returns has neither addresses nor a
// log yet. The caller closes it.
func newLocal(o stackOptions) (s *stack, err error) {
	s = &stack{dir: o.dir, environment: programs.EnvironmentOf(append(os.Environ(), o.environ...))}
	own := maps.Clone(o.own)
	if o.secure {
		if s.secured, err = startSecure(o.dir, s.environment); err != nil {
			return nil, err
		}
		s.environment = s.secured.environment
		own = s.secured.variablesWith(o.own)
	}
	from := binaries
	if len(own)+len(o.restart) > 0 {
		if from, err = programsWith(filepath.Join(o.dir, "programs"), own, o.restart); err != nil {
			return nil, errors.Join(err, s.close())
		}
	}
	s.cmd = exec.Command(filepath.Join(from, "local"), append([]string{"--ports", "auto", "--state", o.dir}, o.args...)...)
	s.cmd.Env = s.environment.Environ()
	return s, nil
}

// programsWith creates a directory in which some binaries run with variables of their own,
// or are started again when they end. A variable that names the file of another replaces
// it.
func programsWith(dir string, own map[string][]string, restart map[string]string) (string, error) {
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o700)); err != nil {
		return "", err
	}
	all, err := os.ReadDir(binaries)
	if err != nil {
		return "", err
	}
	for _, entry := range all {
		name := entry.Name()
		program := filepath.Join(binaries, name)
		switch variables, pidFile := own[name], restart[name]; {
		case entry.IsDir():
		case len(variables) > 0 || pidFile != "":
			err = os.WriteFile(filepath.Join(dir, name), []byte(script(program, variables, pidFile)), 0o700)
		case entry.Type() == os.ModeSymlink:
			err = os.Symlink(program, filepath.Join(dir, name))
		default: // a hard link: local looks for the others next to its own file
			err = os.Link(program, filepath.Join(dir, name))
		}
		if err != nil {
			return "", err
		}
	}
	return dir, nil
}

func script(program string, variables []string, pidFile string) string {
	lines := []string{"#!/bin/sh"}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		if replaced, isFile := strings.CutSuffix(name, "_FILE"); isFile {
			lines = append(lines, "unset "+replaced)
		}
		lines = append(lines, fmt.Sprintf("export %s='%s'", name, value))
	}
	if pidFile == "" {
		return strings.Join(append(lines, fmt.Sprintf("exec '%s' \"$@\"\n", program)), "\n")
	}
	return strings.Join(append(lines, "trap 'kill -TERM $child; wait $child; exit' TERM INT", "while :; do",
		fmt.Sprintf("'%s' \"$@\" &\nchild=$!\necho $child >'%s'\nwait $child\ndone\n", program, pidFile)), "\n")
}

func startStackWith(o stackOptions) (*stack, error) {
	s, err := newLocal(o)
	if err != nil {
		return nil, err
	}
	s.log, s.silent = &bytes.Buffer{}, make(chan struct{})
	if err := s.run(); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stack) run() error {
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
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
			return fmt.Errorf("the stack did not become ready:\n%s", s.log)
		}
	case <-time.After(2 * time.Minute):
		return errors.Join(errors.New("the stack took too long"), s.stop())
	}
	return s.read()
}

// read reads where the stack's servers are.
func (s *stack) read() error {
	description, err := os.ReadFile(filepath.Join(s.dir, "stack.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(description, s); err != nil {
		return err
	}
	var found programs.Servers
	for variable, at := range map[string]struct{ address, lead *string }{
		"KURRENTDB_URL": {&s.KurrentURL, &found.KurrentDB}, "TEMPORAL_ADDRESS": {&s.TemporalAddress, &found.Temporal},
		"POSTGRES_URL": {&s.PostgresURL, &found.Postgres}, "AWS_ENDPOINT_URL_SESV2": {&s.SESURL, &found.SES},
	} {
		if !s.environment.Has(variable) {
			*at.lead = *at.address
		}
	}
	s.environment = maps.Clone(s.environment)
	s.environment.LeadTo(found)
	if s.secured != nil && s.secured.inbox != "" {
		s.SESURL = s.secured.inbox
	}
	return nil
}

// ledTo returns the stack for clients of the same servers at other addresses, without TLS
// and credentials.
func (s *stack) ledTo(servers programs.Servers) *stack {
	led := *s
	led.environment = maps.Clone(s.environment)
	led.environment.LeadTo(servers)
	led.KurrentURL, led.PostgresURL = led.environment["KURRENTDB_URL"], led.environment["POSTGRES_URL"]
	led.TemporalAddress = led.environment["TEMPORAL_ADDRESS"]
	return &led
}

// command returns a command of a program that uses the stack as its operator.
func (s *stack) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, filepath.Join(binaries, program), args...)
	command.Env = s.environment.Environ()
	return command
}

// temporalOptions returns how a client connects to the stack's Temporal.
func (s *stack) temporalOptions() (client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: s.environment})
	if err != nil {
		return options, err
	}
	options.Logger = silent{}
	path := s.environment["PAYLOAD_KEYS_FILE"]
	if path == "" {
		return options, nil
	}
	keys, err := payloadcodec.OpenKeys(path, slog.New(slog.DiscardHandler))
	options.DataConverter = payloadcodec.Converter(payloadcodec.New(keys))
	options.FailureConverter = payloadcodec.FailureConverter(options.DataConverter)
	return options, err
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
	return errors.Join(s.cmd.Wait(), s.close())
}

// close stops the servers that this process runs for the stack.
func (s *stack) close() error {
	if s.secured == nil {
		return nil
	}
	return s.secured.close()
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

func stopShared() error {
	if shared.stack == nil {
		return nil
	}
	if err := shared.stack.stop(); err != nil {
		return fmt.Errorf("the stack did not stop well: %w\n%s", err, shared.stack.log)
	}
	return nil
}

// searchShared looks for personal data in what all tests have left on the shared stack.
func searchShared() error {
	if shared.stack == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	search, err := searchCanaries(ctx, shared.stack)
	if err != nil {
		return fmt.Errorf("search for personal data: %w", err)
	}
	if len(search.found) > 0 {
		return fmt.Errorf("personal data:\n%s", strings.Join(search.found, "\n"))
	}
	return nil
}
