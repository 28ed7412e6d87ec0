package failpoint_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/failpoint"
)

const before, after = "starter.start.before", "starter.start.after"

func TestFailpoints_BuiltWithTheTag(t *testing.T) {
	t.Parallel()
	program := build(t, "./testdata/hits", "-tags", "failpoint")
	t.Run("crashes at the given hit", func(t *testing.T) { testCrash(t, program) })
	t.Run("blocks one call at a pause", func(t *testing.T) { testPause(t, program) })
	t.Run("exits at startup if it cannot parse FAILPOINTS", func(t *testing.T) { testInvalid(t, program) })
}

func testCrash(t *testing.T, program string) {
	t.Parallel()
	tests := map[string]struct {
		failpoints, said, passed string
		killed                   bool
	}{
		"nowhere by default": {
			passed: before + "\n" + after + "\n" + after + "\n",
		},
		"at the first hit": {
			failpoints: after + "=crash", killed: true,
			passed: before + "\n", said: "failpoint " + after + ": crash\n",
		},
		"at the N-th hit": {
			failpoints: after + "=crash@2", killed: true,
			passed: before + "\n" + after + "\n", said: "failpoint " + after + ": crash\n",
		},
		"not if there are fewer hits": {
			failpoints: after + "=crash@3", passed: before + "\n" + after + "\n" + after + "\n",
		},
		"at the first of several points that is reached": {
			failpoints: after + "=crash," + before + "=crash", killed: true, said: "failpoint " + before + ": crash\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, said, err := hit(t, program, test.failpoints)
			require.Equal(t, test.passed, out)
			require.Equal(t, test.said, said)
			require.Equal(t, test.killed, killed(err), "%v", err)
			require.Equal(t, test.killed, err != nil)
		})
	}
}

func testPause(t *testing.T, program string) {
	t.Parallel()
	began := time.Now()
	out, said, err := hit(t, program, after+"=pause:300ms@2")
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 300*time.Millisecond)
	require.Equal(t, before+"\n"+after+"\n"+after+"\n", out)
	require.Equal(t, "failpoint "+after+": pause 300ms\n", said)
}

func testInvalid(t *testing.T, program string) {
	t.Parallel()
	for failpoints, said := range map[string]string{
		"starter.strat.after=crash":      `FAILPOINTS: "starter.strat.after" is not a failpoint`,
		after:                            "FAILPOINTS: starter.start.after: must be crash or pause:DURATION, with @N for the N-th hit",
		after + "=crash@0":               "FAILPOINTS: starter.start.after: what follows @ must be a number from 1",
		after + "=crash@":                "FAILPOINTS: starter.start.after: what follows @ must be a number from 1",
		after + "=pause:-1s":             "FAILPOINTS: starter.start.after: what follows pause: must be a duration above 0, such as 40s",
		after + "=crash," + after + "=c": "FAILPOINTS: starter.start.after: is given twice",
	} {
		out, line, err := hit(t, program, failpoints)
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, failpoints)
		require.Equal(t, 2, exit.ExitCode(), failpoints)
		require.Empty(t, out)
		require.Equal(t, said+"\n", line)
	}
}

func TestFailpoints_AbsentFromProductionBinaries(t *testing.T) {
	t.Parallel()
	crashing := contents(t, "../../starter", "-tags", "failpoint")
	for _, name := range failpoint.Names() {
		require.True(t, bytes.Contains(crashing, []byte(name)), "%s would not be found", name)
	}
	for _, process := range []string{"starter", "worker", "publisher", "projector", "api", "orderflow"} {
		plain := contents(t, "../../"+process)
		for _, name := range append(failpoint.Names(), "FAILPOINTS") {
			require.False(t, bytes.Contains(plain, []byte(name)), "%s is in %s", name, process)
		}
	}
}

func contents(t *testing.T, pkg string, flags ...string) []byte {
	t.Helper()
	body, err := os.ReadFile(build(t, pkg, flags...))
	require.NoError(t, err)
	return body
}

// build compiles a program of this module.
func build(t *testing.T, pkg string, flags ...string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), filepath.Base(pkg))
	args := append([]string{"build", "-o", program}, flags...)
	out, err := exec.CommandContext(t.Context(), "go", append(args, pkg)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return program
}

// hit runs the program, which reaches one point once and then another one twice.
func hit(t *testing.T, program, failpoints string) (out, said string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), program, before, after, after)
	command.Env = append(os.Environ(), "FAILPOINTS="+failpoints)
	command.Stdout, command.Stderr = &stdout, &stderr
	err = command.Run()
	return stdout.String(), stderr.String(), err
}

func killed(err error) bool {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
