package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
)

// publisherCommand runs one of the publisher's commands, and returns its output.
func publisherCommand(t *testing.T, line string, environ ...string) (string, error) {
	t.Helper()
	var stdout, stderr strings.Builder
	c := cli{args: strings.Fields("publisher " + line), environ: environ, stdout: &stdout, stderr: &stderr}
	err := c.run(t.Context())
	return stdout.String(), err
}

func TestPublisherCommands_InvalidArguments(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"nonsense":               "arguments: orderflow publisher must be followed by one of: setup, list, retry, snapshot; see --help",
		"retry":                  "ORDER: is required, or --all in its place",
		"retry a --all":          "ORDER: is required, or --all in its place",
		"retry a b":              "arguments: publisher retry takes only [ORDER]",
		"list --limit 0 -o yaml": "--limit: must be from 1 to 10000\n--output: must be table or json",
		"list all":               "arguments: publisher list takes no arguments",
		"setup x":                "arguments: publisher setup takes no arguments",
		"snapshot now":           "arguments: publisher snapshot takes no arguments",
	} {
		_, err := publisherCommand(t, line, "POSTGRES_URL=postgres://127.0.0.1:1/x", "KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "KURRENTDB_ALLOW_PLAINTEXT=true")
		require.EqualError(t, err, want, line)
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err), line)
	}
}

func TestListSetAside(t *testing.T) {
	t.Parallel()
	url := servers.Database(t)
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: url, MaxConns: 2})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	state := postgres.NewPublisherState(pool)
	list := func(arguments string) string {
		out, err := publisherCommand(t, "list "+arguments, "POSTGRES_URL="+url)
		require.NoError(t, err)
		return out
	}
	require.Equal(t, "there are none\n", list(""))
	require.JSONEq(t, `{"orders":[],"more":false}`, list("-o json"))
	for n := range 1_003 { // more than a page of the database
		require.NoError(t, state.SetAside(t.Context(), postgres.SetAside{OrderID: fmt.Sprintf("order-%04d", n), Code: "TEST", Detail: "a < b"}))
	}
	for arguments, want := range map[string]struct {
		orders int
		more   bool
	}{
		"":             {100, true},
		"--limit 2":    {2, true},
		"--limit 1000": {1_000, true},
		"--limit 1002": {1_002, true},
		"--limit 1003": {1_003, false},
		"--limit 1004": {1_003, false},
	} {
		var page setAsidePage
		require.NoError(t, json.Unmarshal([]byte(list(arguments+" -o json")), &page), "one document")
		require.Equal(t, want.more, page.More, arguments)
		require.Len(t, page.Orders, want.orders, arguments)
		for n, line := range page.Orders {
			require.Equal(t, fmt.Sprintf("order-%04d", n), line.OrderID, arguments)
		}
	}
	require.Contains(t, list("--limit 1 -o json"), `"detail": "a < b"`)
	lines := strings.Split(strings.TrimSpace(list("--limit 2")), "\n")
	require.Len(t, lines, 4)
	require.Regexp(t, `^ORDER +REVISION +THROUGH +SINCE +CODE +DETAIL$`, lines[0])
	require.Regexp(t, `^"order-0001" +0 +\d+ +\S+Z +TEST +a < b$`, lines[2])
	require.Equal(t, "there are more than these 2: --limit", lines[3])
	require.NotContains(t, list("--limit 1003"), "there are more")
}
