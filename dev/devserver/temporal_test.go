package devserver_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/dev/devserver"
)

func attributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		temporal.NewSearchAttributeKeyKeyword("OrderStatus").ValueSet(""),
		temporal.NewSearchAttributeKeyInt64("OrderTotalMinor").ValueSet(0),
	)
}

func startTemporal(t *testing.T, o devserver.TemporalOptions) *devserver.Temporal {
	t.Helper()
	if o.CLIPath == "" {
		path, err := devserver.TemporalCLI(t.Context(), "", os.Stderr)
		require.NoError(t, err)
		o.CLIPath = path
	}
	server, err := devserver.StartTemporal(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { stopTemporal(t, server) })
	return server
}

func stopTemporal(t *testing.T, server *devserver.Temporal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	require.NoError(t, server.Stop(ctx))
}

func dial(t *testing.T, server *devserver.Temporal) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: server.Address})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func TestTemporal_KeepsWorkflowsOverAKill(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "temporal.db")
	server := startTemporal(t, devserver.TemporalOptions{DBFile: file, Headless: true, SearchAttributes: attributes()})
	_, err := dial(t, server).ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "kept", TaskQueue: "nobody", TypedSearchAttributes: attributes(),
	}, "Kept")
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(server.PID, syscall.SIGKILL))
	<-server.Done()

	again := startTemporal(t, devserver.TemporalOptions{DBFile: file, Headless: true, SearchAttributes: attributes()})

	kept, err := dial(t, again).DescribeWorkflow(t.Context(), "kept", "")
	require.NoError(t, err)
	require.Equal(t, "Kept", kept.RawResponse.GetWorkflowExecutionInfo().GetType().GetName())
}

func TestTemporal_WebUIAndOrderlyStop(t *testing.T) {
	t.Parallel()
	server := startTemporal(t, devserver.TemporalOptions{})
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.UI, nil)
	require.NoError(t, err)
	answer, err := http.DefaultClient.Do(get)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	require.Equal(t, http.StatusOK, answer.StatusCode)

	stopTemporal(t, server)

	require.NoError(t, server.Err())
	_, err = net.Dial("tcp", server.Address)
	require.Error(t, err)
}

func TestTemporal_PortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	port := listener.Addr().(*net.TCPAddr).Port

	_, err = devserver.StartTemporal(t.Context(), devserver.TemporalOptions{CLIPath: "temporal", Port: port})

	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+" of 127.0.0.1 cannot be used")
	require.NotContains(t, err.Error(), "\n")
}

func TestTemporal_FailedStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path, err := devserver.TemporalCLI(t.Context(), "", os.Stderr)
	require.NoError(t, err)

	_, err = devserver.StartTemporal(t.Context(), devserver.TemporalOptions{
		CLIPath: path, DBFile: filepath.Join(dir, "missing", "temporal.db"), Headless: true, LogFile: filepath.Join(dir, "log"),
	})

	require.ErrorContains(t, err, "failed checking dir for database file")
}

func TestEnsureSearchAttributes(t *testing.T) {
	t.Parallel()
	c := dial(t, startTemporal(t, devserver.TemporalOptions{Headless: true}))
	require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), c, client.DefaultNamespace, attributes()))
	require.NoError(t, devserver.EnsureSearchAttributes(t.Context(), c, client.DefaultNamespace, attributes()), "again")

	_, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "described", TaskQueue: "nobody", TypedSearchAttributes: attributes(),
	}, "Described")
	require.NoError(t, err)

	other := temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword("OrderTotalMinor").ValueSet(""))
	err = devserver.EnsureSearchAttributes(t.Context(), c, client.DefaultNamespace, other)
	require.ErrorContains(t, err, "OrderTotalMinor is Int and must be Keyword")
}

func TestTemporalCLI_PrefersPath(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "temporal")
	require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\necho --sqlite-pragma\n"), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))

	path, err := devserver.TemporalCLI(t.Context(), t.TempDir(), nil)

	require.NoError(t, err)
	require.Equal(t, program, path)
}
