package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/publish"
)

// command runs `orderflow publisher` with arguments as an operator does, or the publisher
// itself until it exits, against this rig. Its error is what the command says, with its
// exit code.
func (rig *publisherRig) command(environ []string, args ...string) error {
	_, err := rig.run(environ, args...)
	return err
}

func (rig *publisherRig) output(args ...string) (string, error) { return rig.run(nil, args...) }

func (rig *publisherRig) run(environ []string, args ...string) (string, error) {
	rig.t.Helper()
	ctx, cancel := context.WithTimeout(rig.t.Context(), waitLong)
	defer cancel()
	environ = append([]string{
		"POSTGRES_URL=" + rig.url, "KURRENTDB_URL=" + rig.kurrentDB, "KURRENTDB_ALLOW_PLAINTEXT=true", "PUBLISHER_SLOT=" + rig.name,
	}, environ...)
	if len(args) == 0 {
		return "", run(ctx, environ, io.Discard)
	}
	var stdout, stderr strings.Builder
	command := exec.CommandContext(ctx, filepath.Join(servers.Dir(), "orderflow"), append([]string{"publisher"}, args...)...)
	command.Env = append(append(os.Environ(), "LOG_LEVEL=error"), environ...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	said := strings.TrimSpace(stderr.String())
	switch {
	case err == nil:
		return stdout.String(), nil
	case command.ProcessState != nil && command.ProcessState.ExitCode() == config.ExitConfiguration:
		name, problem, _ := strings.Cut(said, ": ")
		return stdout.String(), config.Invalid(name, "%s", problem)
	default:
		return stdout.String(), fmt.Errorf("%s: %w", said, err)
	}
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
			err := run(t.Context(), c.environ, io.Discard)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
			require.ErrorContains(t, err, c.want)
			for _, variable := range c.environ {
				name, _, _ := strings.Cut(variable, "=")
				require.ErrorContains(t, err, name+": ")
			}
		})
	}
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
	require.Equal(t, publish.CodeOther, rig.reason("order-aside"))
	require.Error(t, rig.command(nil, "retry", "order-aside"))
	p.stop()
	rig.execWhenSlotFree("SELECT pg_drop_replication_slot($1)", rig.name)
	p = rig.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	require.ErrorContains(t, rig.command(nil, "setup", "--role", "another"), "connect as a superuser")
	rig.exec("ALTER ROLE " + role + " NOREPLICATION")
	_, err = rig.publication().OpenReplication(t.Context(), rig.name)
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
