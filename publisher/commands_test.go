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

// command runs a subcommand, or the publisher itself until it exits, against this rig.
func (rig *publisherRig) command(environ []string, args ...string) error {
	_, err := rig.run(environ, args...)
	return err
}

func (rig *publisherRig) output(args ...string) (string, error) { return rig.run(nil, args...) }

func (rig *publisherRig) run(environ []string, args ...string) (string, error) {
	rig.t.Helper()
	ctx, cancel := context.WithTimeout(rig.t.Context(), waitLong)
	defer cancel()
	var stdout, stderr strings.Builder
	err := run(ctx, subcommand.Call{Args: args, Stdout: &stdout, Stderr: &stderr, Environ: append([]string{
		"POSTGRES_URL=" + rig.url, "KURRENTDB_URL=" + rig.kurrentDB, "KURRENTDB_ALLOW_PLAINTEXT=true", "PUBLISHER_SLOT=" + rig.name,
	}, environ...)})
	return stdout.String(), err
}

func TestRun_ReportsAllInvalidSettings(t *testing.T) {
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

func TestCommands_InvalidArguments(t *testing.T) {
	rig := newPublisherRig(t)
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
		err := rig.command(nil, strings.Fields(line)...)
		require.EqualError(t, err, want, line)
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err), line)
	}
	help, err := rig.output("--help")
	require.NoError(t, err)
	for _, known := range program().Commands {
		require.Contains(t, help, "publisher "+known.Name)
		text, err := rig.output(known.Name, "--help")
		require.NoError(t, err)
		require.Contains(t, text, known.Summary)
	}
}

func TestList_PrintsAllPagesAsOneDocument(t *testing.T) {
	rig := newPublisherRig(t)
	list := func(arguments string) string {
		out, err := rig.output(append([]string{"list"}, strings.Fields(arguments)...)...)
		require.NoError(t, err)
		return out
	}
	require.Equal(t, "there are none\n", list(""))
	require.JSONEq(t, `{"orders":[],"more":false}`, list("-o json"))
	for n := range 1_003 { // more than a page of the database
		require.NoError(t, rig.store().SetAside(t.Context(), postgres.SetAside{OrderID: fmt.Sprintf("order-%04d", n), Code: "TEST", Detail: "a < b"}))
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

func TestSetUp_CreatesWhatIsMissing(t *testing.T) {
	rig := newPublisherRig(t)
	role := rig.name + "_publisher"
	t.Cleanup(func() { // the role belongs to the whole cluster
		_, err := rig.db.Exec(context.WithoutCancel(t.Context()), "DROP OWNED BY "+role+"; DROP ROLE "+role)
		require.NoError(t, err)
	})
	out, err := rig.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": made; it may log in and replicate, and has no password yet\n")
	require.Contains(t, out, "slot "+rig.name+": made")
	out, err = rig.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": may replicate already\n")
	require.Contains(t, out, "slot "+rig.name+": is there already")
	rig.exec("ALTER ROLE " + role + " NOREPLICATION PASSWORD 'secret'")
	out, err = rig.output("setup", "--role", role)
	require.NoError(t, err)
	require.Contains(t, out, "role "+role+": may replicate now\n")

	// The role and slot suffice for everything the publisher does.
	address, err := url.Parse(rig.url)
	require.NoError(t, err)
	address.User = url.UserPassword(role, "secret")
	owner := rig.url
	rig.approve("order-1")
	rig.foreignEvent("fulfillment-order-aside")
	rig.approve("order-aside")
	rig.age(2 * time.Hour)
	rig.settings.retention = time.Hour
	rig.url = address.String()
	p := rig.publish()
	rig.awaitHistorySize(1)
	require.Equal(t, codeOther, rig.reason("order-aside"))
	require.Error(t, rig.command(nil, "retry", "order-aside"))
	p.stop()
	rig.execWhenSlotFree("SELECT pg_drop_replication_slot($1)", rig.name)
	p = rig.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	require.ErrorContains(t, rig.command(nil, "setup", "--role", "another"), "connect as a superuser")
	rig.exec("ALTER ROLE " + role + " NOREPLICATION")
	_, err = rig.store().OpenReplication(t.Context(), rig.name)
	require.ErrorContains(t, err, "a superuser must grant it the attribute REPLICATION")
	rig.url = owner
}

func TestPublisher_ReadinessAndGauges(t *testing.T) {
	rig := newDedicatedServerRig(t) // other tests' writes would count as lag too
	proxy := rig.useProxy()
	p := rig.publish()
	require.Error(t, (&publisher{}).ready(t.Context()))
	p.awaitPhase(phaseStream)
	require.NoError(t, p.ready(t.Context()))
	proxy.Stall()
	rig.approve("order-1")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.Greater(c, gatherGauges(c, p)["orderflow_publisher_lag_seconds"], 0.5)
	}, waitLong, waitTick)
	require.Positive(t, gatherGauges(t, p)["orderflow_publisher_lag_bytes"])
	proxy.Resume()
	rig.awaitAll()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		g := gatherGauges(c, p)
		require.Zero(c, g["orderflow_publisher_lag_seconds"])
		require.Less(c, g["orderflow_publisher_lag_bytes"], float64(idleBytes))
		require.Zero(c, g["orderflow_publisher_set_aside"])
	}, waitLong, waitTick)
	rig.foreignEvent("fulfillment-order-2")
	rig.approve("order-2")
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.EqualValues(c, 1, gatherGauges(c, p)["orderflow_publisher_set_aside"])
	}, waitLong, waitTick)
	rig.awaitAtLeast(1, resultSetAside)
}
