package stack

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/internal/config"
)

// newOptions returns options for a stack whose own binaries are played by the test
// binary. Temporal and PostgreSQL are real.
func newOptions(t *testing.T, environ ...string) Options {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	cli, err := devserver.TemporalCLI(t.Context(), "", os.Stderr)
	require.NoError(t, err)
	bin := t.TempDir()
	require.NoError(t, os.Symlink(cli, filepath.Join(bin, "temporal")))
	for _, name := range []string{workerPart, starterPart, publisherPart, projectorPart, apiPart, kurrentsimPart, sessimPart, operator} {
		require.NoError(t, os.Symlink(program, filepath.Join(bin, name)))
	}
	return Options{
		Dir: filepath.Join(t.TempDir(), "state"), BinDir: bin, AutoPorts: true, Hold: "0s", Progress: os.Stderr,
		Environ: append(environ, helperDir+"="+bin),
	}
}

func startStack(t *testing.T, o Options) *Stack {
	t.Helper()
	s, err := Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Stop() })
	return s
}

func TestStack_DescribesItselfWhileReady(t *testing.T) {
	t.Parallel()
	o := newOptions(t)
	s := startStack(t, o)
	path := filepath.Join(o.Dir, "stack.json")
	body, err := os.ReadFile(path)
	require.NoError(t, err)
	var d Description
	require.NoError(t, json.Unmarshal(body, &d))
	require.Equal(t, s.Description, d)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "it holds the database's password")
	for _, name := range []string{"local", "temporal", "postgres", "kurrentsim", "sessim", "worker", "starter", "publisher", "projector", "api"} {
		require.NoError(t, syscall.Kill(d.PIDs[name], 0), name)
	}
	_, err = Start(t.Context(), o)
	require.ErrorContains(t, err, "another stack")
	require.ErrorContains(t, err, "--state")

	require.NoError(t, s.Stop())

	require.NoFileExists(t, path)
	_, err = net.Dial("tcp", d.TemporalAddress)
	require.Error(t, err)
}

func TestStack_StopOrder(t *testing.T) {
	t.Parallel()
	o := newOptions(t)
	require.NoError(t, startStack(t, o).Stop())

	notes, err := os.ReadFile(filepath.Join(o.BinDir, "notes"))

	require.NoError(t, err)
	stopped := strings.Fields(string(notes))
	require.Len(t, stopped, 7)
	require.Equal(t, []string{"api", "starter", "worker"}, stopped[:3])
	require.ElementsMatch(t, []string{"publisher", "projector"}, stopped[3:5], "concurrently")
	require.ElementsMatch(t, []string{"sessim", "kurrentsim"}, stopped[5:], "concurrently")
}

func TestStack_KillsPartThatDoesNotStop(t *testing.T) {
	t.Parallel()
	s := startStack(t, newOptions(t, "STUBBORN_kurrentsim=1"))

	err := s.Stop()

	require.ErrorContains(t, err, "kurrentsim did not stop in time")
	require.ErrorIs(t, syscall.Kill(s.Description.PIDs["kurrentsim"], 0), syscall.ESRCH)
}

func TestStack_ReportsPartThatEnded(t *testing.T) {
	t.Parallel()
	s := startStack(t, newOptions(t))
	require.NoError(t, syscall.Kill(s.Description.PIDs["worker"], syscall.SIGKILL))

	<-s.Broken()

	var ended *EndedError
	require.ErrorAs(t, s.Why(), &ended)
	require.Equal(t, "worker", ended.Part)
	require.ErrorContains(t, ended, "worker ended unexpectedly: signal: killed")
	require.ErrorContains(t, ended, s.Log("worker"))
	require.NoError(t, s.Stop())
}

func TestStack_ReportsRejectedConfiguration(t *testing.T) {
	t.Parallel()
	o := newOptions(t, "REFUSE_worker=CREDIT_HOLD: must be 0 or from 1s to 2160h (90 days)")

	_, err := Start(t.Context(), o)

	require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
	var refused *config.Error
	require.ErrorAs(t, err, &refused)
	require.EqualError(t, refused, "CREDIT_HOLD: must be 0 or from 1s to 2160h (90 days)")
	require.NoFileExists(t, filepath.Join(o.Dir, "stack.json"))
}

func TestStack_ReportsMissingBinary(t *testing.T) {
	t.Parallel()
	o := newOptions(t)
	require.NoError(t, os.Remove(filepath.Join(o.BinDir, "starter")))

	_, err := Start(t.Context(), o)

	require.ErrorContains(t, err, "starter is not in "+o.BinDir+": build it with make build")
}
