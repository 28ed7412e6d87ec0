package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/doctor"
)

// doctorCall runs `orderflow doctor` and returns its output and exit code.
func doctorCall(t *testing.T, environ []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, said bytes.Buffer
	c := cli{args: append([]string{"doctor"}, args...), environ: environ, stdin: os.Stdin, stdout: &out, stderr: &said}
	code = exitCode(&said, c.run(t.Context()))
	return out.String(), said.String(), code
}

func TestDoctor(t *testing.T) {
	t.Parallel()
	events := kurrentsimtest.StartServer(t)
	environ := []string{"KURRENTDB_URL=" + events.URL(), "KURRENTDB_ALLOW_PLAINTEXT=true"}
	t.Run("exits with 3 for findings, and says what to do", func(t *testing.T) {
		t.Parallel()
		out, said, code := doctorCall(t, environ, "--only", "kurrentdb")
		require.Equal(t, exitAttention, code, said)
		require.Contains(t, out, "kurrentdb/group: group fulfillment on $ce-order does not exist; group fulfillment on $ce-creditdecision does not exist; ")
		require.Contains(t, out, "  do:  orderflow group create")
		require.Regexp(t, `(?m)^not checked +postgres/\* +left out by --only$`, out)
		require.True(t, strings.HasSuffix(said, "doctor: findings: 1\n"), said)
	})
	t.Run("reads a connection string from a file", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "url")
		require.NoError(t, os.WriteFile(file, []byte(events.URL()), 0o600))
		out, _, _ := doctorCall(t, []string{"KURRENTDB_URL_FILE=" + file, "KURRENTDB_ALLOW_PLAINTEXT=true"}, "--only", "kurrentdb")
		require.Regexp(t, `(?m)^ok +kurrentdb/reachable `, out)
	})
	t.Run("prints one JSON document", func(t *testing.T) {
		t.Parallel()
		out, _, code := doctorCall(t, environ, "--only", "kurrentdb", "-o", "json")
		require.Equal(t, exitAttention, code)
		var results []doctor.Result
		require.NoError(t, json.Unmarshal([]byte(out), &results))
		require.Len(t, results, len(doctor.Checks()))
	})
	t.Run("exits with 0 if nothing is found", func(t *testing.T) {
		t.Parallel()
		out, said, code := doctorCall(t, nil, "--only", "postgres,ses")
		require.Equal(t, 0, code, said)
		require.Regexp(t, `(?m)^not checked +postgres/\* +POSTGRES_URL is not set$`, out)
		require.Regexp(t, `(?m)^not checked +ses/\* +EMAIL_FROM is not set$`, out)
		require.Contains(t, out, ", findings: 0, failed: 0\n")
	})
	t.Run("exits with 1 if a store does not respond, and checks the others meanwhile", func(t *testing.T) {
		t.Parallel()
		silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts connections and never responds
		require.NoError(t, err)
		t.Cleanup(func() { _ = silent.Close() })
		began := time.Now()
		out, said, code := doctorCall(t, append(slices.Clone(environ), "POSTGRES_URL=postgres://u:hidden@"+silent.Addr().String()+"/d?sslmode=disable"),
			"--only", "kurrentdb,postgres")
		require.Equal(t, 1, code, said)
		require.Less(t, time.Since(began), time.Minute, "a silent server costs at most its own deadline")
		require.Regexp(t, `(?m)^failed +postgres/reachable `, out)
		require.Regexp(t, `(?m)^problem +kurrentdb/group `, out)
		require.NotContains(t, out+said, "hidden")
	})
	t.Run("reports every fault of the settings at once", func(t *testing.T) {
		t.Parallel()
		_, said, code := doctorCall(t, []string{"KURRENTDB_URL=kurrentdb://host?tls=false", "POSTGRES_URL=oracle", "PUBLISHER_SLOT=A-B"},
			"--only", "kurrentdb,postgres", "--as", "nurse")
		require.Equal(t, 2, code)
		for _, name := range []string{"KURRENTDB_URL: ", "POSTGRES_URL: ", "PUBLISHER_SLOT: ", "--as: must be one of starter, worker"} {
			require.Contains(t, said, name)
		}
		_, said, code = doctorCall(t, nil, "--only", "oracle")
		require.Equal(t, 2, code)
		require.Contains(t, said, "--only: must be some of kurrentdb,postgres,temporal,ses")
	})
	t.Run("prints no credentials", func(t *testing.T) {
		t.Parallel()
		secure := kurrentsimtest.StartSecure(t, kurrentsim.Options{})
		out, said, _ := doctorCall(t, []string{
			"KURRENTDB_URL=" + secure.URLFor(kurrentsimtest.Admin), "POSTGRES_URL=postgres://u:" + kurrentsimtest.Password + "@" + devservertest.Address(t) + "/d",
		}, "--only", "kurrentdb,postgres", "--as", "worker")
		require.NotContains(t, out+said, kurrentsimtest.Password)
	})
	t.Run("documents its exit codes in --help", func(t *testing.T) {
		t.Parallel()
		out, _, code := doctorCall(t, nil, "--help")
		require.Equal(t, 0, code)
		require.Contains(t, out, "The exit code is 1 if a check failed, whatever else was found; else 3 if there is a warning or a problem; else 0.")
	})
}

// The table of docs/operations.md has a row for each check, in the order of the output.
func TestDoctor_Documentation(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "docs", "operations.md"))
	require.NoError(t, err)
	_, table, found := strings.Cut(string(page), "| check | finds |\n|---|---|\n")
	require.True(t, found)
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| .+ \\|$").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
	}
	require.Equal(t, doctor.Checks(), documented)
}
