package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
)

// command runs a subcommand, or the publisher itself for a moment, in this world.
func (w *world) command(environ []string, args ...string) error {
	_, err := w.run(environ, args...)
	return err
}

func (w *world) output(args ...string) (string, error) { return w.run(nil, args...) }

func (w *world) run(environ []string, args ...string) (string, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), waitLong)
	defer cancel()
	var stdout, stderr strings.Builder
	err := run(ctx, subcommand.Call{Args: args, Stdout: &stdout, Stderr: &stderr, Environ: append([]string{
		"POSTGRES_URL=" + w.url, "KURRENTDB_URL=" + w.kurrentDB, "KURRENTDB_ALLOW_PLAINTEXT=true", "PUBLISHER_SLOT=" + w.name,
	}, environ...)})
	return stdout.String(), err
}

func TestSettingsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		environ []string
		want    string
	}{
		"nothing set": {nil, "KURRENTDB_URL: is required\nPOSTGRES_URL: is required"},
		"everything wrong": {[]string{
			"KURRENTDB_URL=kurrentdb://127.0.0.1:1?tls=false", "POSTGRES_URL=nonsense://", "PUBLISHER_SLOT=Order flow", "PUBLISHER_WINDOW=0",
			"PUBLISHER_HISTORY_RETENTION=5s", "SHUTDOWN_TIMEOUT=-1s", "OPS_ADDR=nowhere", "LOG_LEVEL=loud",
		}, "KURRENTDB_URL: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := run(t.Context(), subcommand.Call{Environ: c.environ, Stdout: &strings.Builder{}, Stderr: &strings.Builder{}})
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
			require.ErrorContains(t, err, c.want)
			for _, variable := range c.environ {
				name, _, _ := strings.Cut(variable, "=")
				require.ErrorContains(t, err, name+": ")
			}
		})
	}
}

func TestArgumentsThatMeanNothingAreRefused(t *testing.T) {
	w := newWorld(t)
	for line, want := range map[string]string{
		"nonsense":               "arguments: must be none, or one of: setup, list, retry, snapshot; see --help",
		"retry":                  "ORDER: is required, or --all in its place",
		"retry a --all":          "ORDER: is required, or --all in its place",
		"retry a b":              "arguments: retry takes only [ORDER]",
		"list --limit 0 -o yaml": "--limit: must be from 1 to 10000\n-o: must be table or json",
		"list all":               "arguments: list takes no arguments",
		"setup x":                "arguments: setup takes no arguments",
		"snapshot now":           "arguments: snapshot takes no arguments",
	} {
		err := w.command(nil, strings.Fields(line)...)
		require.EqualError(t, err, want, line)
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err), line)
	}
	help, err := w.output("--help")
	require.NoError(t, err)
	for _, known := range program().Commands {
		require.Contains(t, help, "publisher "+known.Name)
		text, err := w.output(known.Name, "--help")
		require.NoError(t, err)
		require.Contains(t, text, known.Summary)
	}
}

func TestWhatIsSetAsideIsListedAsOneAnswer(t *testing.T) {
	w := newWorld(t)
	list := func(arguments string) string {
		out, err := w.output(append([]string{"list"}, strings.Fields(arguments)...)...)
		require.NoError(t, err)
		return out
	}
	require.Equal(t, "there are none\n", list(""))
	require.JSONEq(t, `{"orders":[],"more":false}`, list("-o json"))
	for n := range 1_003 { // more than a page of the database
		require.NoError(t, w.store().SetAside(t.Context(), postgres.SetAside{OrderID: fmt.Sprintf("order-%04d", n), Code: "TEST", Detail: "a < b"}))
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

func TestSetupMakesWhatIsMissingAndSaysSo(t *testing.T) {
	w := newWorld(t)
	role := w.name + "_publisher"
	t.Cleanup(func() { // the role is the whole cluster's
		_, err := w.db.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role)
		require.NoError(t, err)
	})
	out, err := w.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": made; it may log in and replicate, and has no password yet\n")
	require.Contains(t, out, "slot "+w.name+": made")
	out, err = w.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": may replicate already\n")
	require.Contains(t, out, "slot "+w.name+": is there already")
	w.exec("ALTER ROLE " + role + " NOREPLICATION PASSWORD 'secret'")
	out, err = w.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": may replicate now\n")

	// What it made is enough to do everything the publisher does.
	address, err := url.Parse(w.url)
	require.NoError(t, err)
	address.User = url.UserPassword(role, "secret")
	owner := w.url
	w.approve("order-1")
	w.foreignEvent("fulfillment-order-aside")
	w.approve("order-aside")
	w.age(2 * time.Hour)
	w.settings.retention = time.Hour
	w.url = address.String()
	p := w.publish()
	w.awaitLeft(1)
	require.Equal(t, codeOther, w.reason("order-aside"))
	require.Error(t, w.command(nil, "retry", "order-aside"))
	p.stop()
	w.onFreeSlot("SELECT pg_drop_replication_slot($1)", w.name)
	p = w.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	require.ErrorContains(t, w.command(nil, "setup", "--role", "another"), "connect as a superuser")
	w.exec("ALTER ROLE " + role + " NOREPLICATION")
	_, err = w.store().OpenReplication(t.Context(), w.name)
	require.ErrorContains(t, err, "a superuser gives it the attribute REPLICATION")
	w.url = owner
}

func TestReadinessAndMetricsTellHowItStands(t *testing.T) {
	w := aloneWorld(t) // what others write would be behind, too
	away := w.behindProxy()
	p := w.publish()
	require.Error(t, (&publisher{}).ready(t.Context()))
	p.awaitPhase(phaseStream)
	require.NoError(t, p.ready(t.Context()))
	away.shut()
	w.approve("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Greater(c, gathered(c, p)["orderflow_publisher_lag_seconds"], 0.5)
	}, waitLong, waitTick)
	require.Positive(t, gathered(t, p)["orderflow_publisher_lag_bytes"])
	away.open()
	w.awaitAll()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		g := gathered(c, p)
		require.Zero(c, g["orderflow_publisher_lag_seconds"])
		require.Less(c, g["orderflow_publisher_lag_bytes"], float64(quietBytes))
		require.Zero(c, g["orderflow_publisher_set_aside"])
	}, waitLong, waitTick)
	w.foreignEvent("fulfillment-order-2")
	w.approve("order-2")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.EqualValues(c, 1, gathered(c, p)["orderflow_publisher_set_aside"])
	}, waitLong, waitTick)
	w.awaitAtLeast(1, resultSetAside)
}
