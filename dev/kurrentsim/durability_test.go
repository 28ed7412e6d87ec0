package kurrentsim_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestRestart_KeepsEvents(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := newRestartable(t, dir)
	before.append("order-1", kurrentdb.NoStream{}, events(3)...)
	before.append("order-2", kurrentdb.NoStream{}, events(2)...)
	require.NoError(t, before.delete("order-2", kurrentdb.Any{}))
	require.NoError(t, before.tombstone("gone-1", kurrentdb.Any{}))
	all := before.readAll(kurrentdb.ReadAllOptions{ResolveLinkTos: true})
	before.stop()

	after := newRestartable(t, dir)
	require.Equal(t, all, after.readAll(kurrentdb.ReadAllOptions{ResolveLinkTos: true}))
	_, err := after.tryReadStream("order-2", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	_, err = after.tryReadStream("gone-1", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeStreamDeleted)
	require.EqualValues(t, 3, after.append("order-1", kurrentdb.Revision(2), event("next")).NextExpectedVersion)
	after.stop()
}

// newRestartable returns a testServer that the test itself stops.
func newRestartable(t *testing.T, dir string) *testServer {
	t.Helper()
	return newRestartableWith(t, kurrentsim.Options{DataDir: dir})
}

func newRestartableWith(t *testing.T, options kurrentsim.Options) *testServer {
	t.Helper()
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	return &testServer{T: t, server: server, client: dial(t, server.URL())}
}

func (w *testServer) stop() {
	w.Helper()
	require.NoError(w, w.client.Close())
	require.NoError(w, w.server.Stop(context.Background()))
}

func TestStart_DirectoryInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	newTestServer(t, kurrentsim.Options{DataDir: dir})
	_, err := kurrentsim.Start(kurrentsim.Options{DataDir: dir})
	require.ErrorContains(t, err, "in use by another process")
}

func TestStart_PortInUse(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	_, err := kurrentsim.Start(kurrentsim.Options{Listen: w.server.Addr()})
	require.ErrorContains(t, err, "address already in use")
}

func TestStart_RefusesDamageInTheMiddle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newRestartable(t, dir)
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	w.append("s-2", kurrentdb.NoStream{}, events(3)...)
	w.stop()
	path := filepath.Join(dir, "events.log")
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	content[100] ^= 0xff
	require.NoError(t, os.WriteFile(path, content, 0o600))
	_, err = kurrentsim.Start(kurrentsim.Options{DataDir: dir})
	require.ErrorContains(t, err, "journal is damaged at byte")
}

func TestHealth_OnTheSamePort(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.server.Addr()+"/health/live", nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNoContent, response.StatusCode)
}

func TestStop_EndsOpenSubscriptions(t *testing.T) {
	t.Parallel()
	w := newRestartable(t, t.TempDir())
	sub := w.subscribe("s-1", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	require.NotNil(t, recv(t, sub).CaughtUp)
	begin := time.Now()
	require.NoError(t, w.server.Stop(context.Background()))
	require.Less(t, time.Since(begin), 10*time.Second, "and does not wait for subscriptions")
	require.NotNil(t, recv(t, sub).SubscriptionDropped)
}
