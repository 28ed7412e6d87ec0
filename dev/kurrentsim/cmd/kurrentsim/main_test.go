package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

// asProgram makes the test binary act as one of the programs below.
const (
	asProgram = "KURRENTSIM_TEST_AS_PROGRAM"
	simulator = "kurrentsim"
	bareGRPC  = "bare"
)

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case simulator:
		main()
	case bareGRPC:
		os.Exit(exitCode(serveBare(os.Args[1]), os.Stderr))
	default:
		os.Exit(m.Run())
	}
}

// program is one of these programs in a process of its own.
type program struct {
	*exec.Cmd
	stderr *bufio.Reader
	output []string
}

// environment also keeps the race detector from waiting a second before it lets a process
// end.
func environment(as string) []string {
	return append(os.Environ(), asProgram+"="+as, "GORACE=atexit_sleep_ms=0")
}

func start(t testing.TB, as string, args ...string) *program {
	t.Helper()
	p := &program{Cmd: exec.CommandContext(t.Context(), os.Args[0], args...)}
	p.Env = environment(as)
	stderr, err := p.StderrPipe()
	require.NoError(t, err)
	p.stderr = bufio.NewReader(stderr)
	require.NoError(t, p.Start())
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

// startServer starts a server and waits until it logs that it serves.
func startServer(t testing.TB, args ...string) *program {
	t.Helper()
	return awaitServing(t, start(t, simulator, args...))
}

func awaitServing(t testing.TB, p *program) *program {
	t.Helper()
	for {
		line, err := p.stderr.ReadString('\n')
		require.NoError(t, err, "%s", p.output)
		p.output = append(p.output, line)
		if strings.Contains(line, "serving") {
			return p
		}
	}
}

// runToEnd returns the exit code and the output.
func runToEnd(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], args...)
	command.Env = environment(simulator)
	var out, errs strings.Builder
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError))
	}
	return command.ProcessState.ExitCode(), out.String(), errs.String()
}

func connect(t testing.TB, address string) *kurrentdb.Client {
	t.Helper()
	config, err := kurrentdb.ParseConnectionString("kurrentdb://" + address + "?tls=false")
	require.NoError(t, err)
	config.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newEvent(data string) kurrentdb.EventData {
	return kurrentdb.EventData{
		EventID: uuid.New(), EventType: "written", ContentType: kurrentdb.ContentTypeJson, Data: []byte(data),
	}
}

func TestServe_InvalidCommandLine(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--unknown"}, {"argument"}, {"read"}, {"read", "a", "b"}, {"read", "s", "--url", "http://nowhere"},
		{"--listen-tls", "127.0.0.1:0"}, {"--tls-cert", "node.crt"}, {"--user", "admin:changeit"}, {"--user", "admin"},
		{"--version-string", "newest"}, {"--projection-delay", "-1s"}, {"--projection-delay", "1"},
		{"--hide-link", "order-1"},
	} {
		code, _, stderr := runToEnd(t, args...)
		require.Equal(t, 2, code, "%v", args)
		require.NotEmpty(t, stderr)
	}
}

func TestServe_PortInUse(t *testing.T) {
	t.Parallel()
	address := devservertest.Address(t)
	startServer(t, "--listen", address)
	code, _, stderr := runToEnd(t, "--listen", address)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	require.Contains(t, stderr, "address already in use")
}

func TestRead(t *testing.T) {
	t.Parallel()
	address := devservertest.Address(t)
	startServer(t, "--listen", address)
	client := connect(t, address)
	_, err := client.AppendToStream(t.Context(), "order-1", kurrentdb.AppendToStreamOptions{},
		newEvent(`{ "n": 1 }`), newEvent("not json"))
	require.NoError(t, err)
	url := "kurrentdb://" + address + "?tls=false"

	code, stdout, _ := runToEnd(t, "read", "order-1", "--url", url)
	require.Zero(t, code)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Len(t, lines, 2)
	require.Regexp(t, `^0\twritten\t\S+\t\{"n":1\}$`, lines[0])
	require.Regexp(t, `^1\twritten\t\S+\tbase64:`, lines[1])

	_, stdout, _ = runToEnd(t, "read", "--url", url, "-n", "1", "$ce-order")
	require.Regexp(t, `^0\t\$>\t\S+\t0@order-1\n$`, stdout)
	_, stdout, _ = runToEnd(t, "read", "--url", url, "--resolve", "$ce-order")
	require.Contains(t, stdout, `{"n":1}`)

	code, _, stderr := runToEnd(t, "read", "nowhere", "--url", url)
	require.Equal(t, 1, code)
	require.Equal(t, "kurrentsim: stream \"nowhere\" does not exist\n", stderr)
}

func TestRead_NoServer(t *testing.T) {
	t.Parallel()
	address := devservertest.Address(t)
	code, _, stderr := runToEnd(t, "read", "s", "--url", "kurrentdb://"+address+"?tls=false")
	require.Equal(t, 1, code)
	require.Equal(t, "kurrentsim: no server answers at "+address+"\n", stderr)
}
