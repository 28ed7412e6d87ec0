// Package packages_test runs packages.sh with a PATH that is a folder of programs.
package packages_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// machine is the content of a script's PATH. Some programs are fakes that log their
// calls.
type machine struct {
	t   *testing.T
	dir string
}

// newMachine returns a machine that has what the tests need, except for some programs.
func newMachine(t *testing.T, user string, lacking ...string) machine {
	t.Helper()
	m := machine{t, t.TempDir()}
	for _, program := range []string{"make", "git", "gcc", "cc", "initdb", "psql", "curl", "jq", "npm", "pgbouncer", "promtool", "chromium"} {
		m.add(program, "")
	}
	for _, program := range lacking {
		require.NoError(t, os.Remove(filepath.Join(m.dir, program)))
	}
	m.add("id", "echo "+user)
	m.add("apt-get", m.logging("apt-get"))
	m.add("env", m.logging("env")+`; while [[ $1 == *=* ]]; do shift; done; "$@"`)
	m.add("sh", m.logging("sh"))
	return m
}

func (m machine) add(program, script string) {
	m.t.Helper()
	bash, err := exec.LookPath("bash")
	require.NoError(m.t, err)
	require.NoError(m.t, os.WriteFile(filepath.Join(m.dir, program), []byte("#!"+bash+"\n"+script+"\n"), 0o700))
}

func (m machine) logging(program string) string {
	return `echo "` + program + ` $*" >>` + filepath.Join(m.dir, "log")
}

// run returns the exit code, the standard error, and the logged calls.
func (m machine) run(arguments ...string) (code int, printed, called string) {
	m.t.Helper()
	bash, err := exec.LookPath("bash")
	require.NoError(m.t, err)
	c := exec.CommandContext(m.t.Context(), bash, append([]string{"packages.sh"}, arguments...)...)
	c.Env = []string{"PATH=" + m.dir}
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	_ = c.Run()
	require.Empty(m.t, stdout.String())
	log, _ := os.ReadFile(filepath.Join(m.dir, "log"))
	return c.ProcessState.ExitCode(), stderr.String(), string(log)
}

const installs = "apt-get install -qy --no-install-recommends chromium\n"

func TestPackages(t *testing.T) {
	t.Parallel()
	t.Run("touches nothing on a machine that has all", func(t *testing.T) {
		t.Parallel()
		code, printed, called := newMachine(t, "1000").run()
		require.Zero(t, code)
		require.Empty(t, printed+called)
	})
	t.Run("takes another browser", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, "1000", "chromium")
		m.add("google-chrome", "")
		code, printed, _ := m.run()
		require.Zero(t, code, printed)
	})
	t.Run("knows what only make check needs", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, "1000")
		m.add("docker-compose", "")
		code, printed, _ := m.run("check")
		require.Equal(t, 1, code)
		require.Regexp(t, "apt-get install --no-install-recommends ffmpeg pocketsphinx (pocketsphinx-en-us )?flite openssl iproute2 buildah systemd\n", printed)
	})
	t.Run("knows what the catalog alone needs", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, "1000", "chromium", "make")
		m.add("flite", "")
		code, printed, _ := m.run("catalog")
		require.Equal(t, 1, code)
		require.Regexp(t, "apt-get install --no-install-recommends ffmpeg pocketsphinx( pocketsphinx-en-us)?\n", printed)
	})
	t.Run("installs as root", func(t *testing.T) {
		t.Parallel()
		code, _, called := newMachine(t, "0", "chromium").run()
		require.Zero(t, code)
		require.Contains(t, called, "apt-get update -q\n")
		require.Contains(t, called, "env DEBIAN_FRONTEND=noninteractive "+installs)
	})
	t.Run("installs with sudo", func(t *testing.T) {
		t.Parallel()
		m := newMachine(t, "1000", "chromium")
		m.add("sudo", `[[ $1 != -n ]] || shift; [[ $1 != true ]] || exit 0; `+m.logging("sudo")+`; "$@"`)
		code, printed, called := m.run()
		require.Zero(t, code, printed)
		require.Contains(t, called, "sudo apt-get update -q\n")
		require.Contains(t, called, "sudo env DEBIAN_FRONTEND=noninteractive "+installs)
	})
	for name, spoil := range map[string]func(machine){
		"without sudo":                 func(machine) {},
		"with sudo that refuses":       func(m machine) { m.add("sudo", "exit 1") },
		"without apt-get":              func(m machine) { require.NoError(t, os.Remove(filepath.Join(m.dir, "apt-get"))) },
		"as root, if it does not work": func(m machine) { m.add("id", "echo 0"); m.add("apt-get", "exit 100") },
	} {
		t.Run("names what is missing in one line "+name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t, "1000", "chromium", "psql")
			spoil(m)
			code, printed, _ := m.run()
			require.Equal(t, 1, code)
			require.Equal(t, 1, strings.Count(printed, "\n"), printed)
			require.Contains(t, printed, "apt-get install --no-install-recommends postgresql-client chromium\n")
		})
	}
}

func TestMake(t *testing.T) {
	t.Parallel()
	first := func(arguments ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), "make", append([]string{"-C", "../..", "-n", "--no-print-directory"}, arguments...)...)
		c.Env = []string{"PATH=" + os.Getenv("PATH")} // without the variables of a make that runs this test
		commands, err := c.Output()
		require.NoError(t, err)
		line, _, _ := strings.Cut(string(commands), "\n")
		return line
	}
	for _, target := range []string{"test", "race", "check"} {
		require.Contains(t, first(target), "packages.sh", target)
	}
	require.NotContains(t, first("test", "PKG=./internal/order"), "packages.sh", "some packages need less")
}
