package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
	"example.com/catalog/video"
	"example.com/catalog/view"
)

// waitLimit bounds the wait for anything that should happen, also on a busy machine.
const waitLimit = time.Minute

// TestStores serves the pages from the stores that the catalog has.
func TestStores(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	folder := t.TempDir()
	ports, err := devserver.ClaimPorts() // so that the port stays free while the server is stopped
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, ports.Close()) })
	port, err := ports.Next()
	require.NoError(t, err)
	kurrentDB, err := kurrentsim.Start(kurrentsim.Options{DataDir: folder, Listen: devserver.Loopback(port)})
	require.NoError(t, err)
	store := r.useStores(kurrentDB.URL())

	u := newUpload()
	require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
	require.Equal(t, http.StatusSeeOther, r.upload(u).StatusCode)
	require.Contains(t, r.get("/videos/"+u.id).text, "Begin the work", "it has no row yet")
	commands, err := store.Read(t.Context(), video.CommandStream(u.id))
	require.NoError(t, err)
	require.Len(t, commands, 1)

	r.catalog(store, commands[0])
	r.eventually(func() bool { return strings.Contains(r.get("/videos/"+u.id).text, "good morning") })
	event := uuid.NewString()
	require.Equal(t, http.StatusNoContent, r.viewed(u.id, event).StatusCode)
	require.Equal(t, http.StatusNoContent, r.viewed(u.id, event).StatusCode)
	r.eventually(func() bool { return strings.Contains(r.get("/").text, "1 view ·") })

	require.NoError(t, kurrentDB.Stop(t.Context()))
	second := newUpload()
	require.Equal(t, http.StatusServiceUnavailable, r.upload(second).StatusCode)
	require.Equal(t, http.StatusOK, r.get("/videos/"+u.id).StatusCode)
	kurrentDB, err = kurrentsim.Start(kurrentsim.Options{DataDir: folder, Listen: kurrentDB.Addr()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, kurrentDB.Stop(context.Background())) })
	r.eventually(func() bool { return r.upload(second).StatusCode == http.StatusSeeOther })
}

func (r *rig) eventually(condition func() bool) {
	r.Helper()
	require.Eventually(r, condition, waitLimit, 20*time.Millisecond)
}

// useStores replaces the messages and rows in memory by servers.
func (r *rig) useStores(kurrentDB string) *messages.Store {
	r.Helper()
	logger := slog.New(slog.DiscardHandler)
	store, err := messages.Open(kurrentDB, true, logger)
	require.NoError(r, err)
	r.Cleanup(store.Close)
	postgres, err := devserver.StartPostgres(r.Context(), devserver.PostgresOptions{Dir: r.TempDir(), Fast: true})
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, postgres.Stop(context.Background())) })
	rows, err := view.Open(r.Context(), postgres.URL)
	require.NoError(r, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- rows.Run(ctx, store, logger) }()
	r.Cleanup(func() {
		stop()
		<-ended
		rows.Close()
	})
	options := r.site.Options
	options.Messages, options.View = store, rows
	r.site = newSite(options)
	r.server = httptest.NewServer(r.site.handler())
	r.Cleanup(r.server.Close)
	return store
}

// catalog writes what package process writes for a command.
func (r *rig) catalog(store *messages.Store, m video.Message) {
	r.Helper()
	command, err := video.ParseCommand(m)
	require.NoError(r, err)
	id := command.VideoID
	require.NoError(r, store.Append(r.Context(), video.Stream(id), messages.NoStream, video.FirstEvent(m, command)))
	for _, step := range []struct {
		event string
		data  any
	}{
		{video.TypeTranscoded, video.Transcoded{VideoID: id, File: command.Upload, DurationMS: 1000}},
		{video.TypeTranscribed, video.Transcribed{VideoID: id, Transcript: "good morning"}},
		{video.TypeCataloged, video.Cataloged{VideoID: id}},
	} {
		events, err := store.Read(r.Context(), video.Stream(id))
		require.NoError(r, err)
		state, err := video.Fold(events)
		require.NoError(r, err)
		event := state.Event(id, step.event, step.data)
		require.NoError(r, store.Append(r.Context(), video.Stream(id), messages.After(state.Next), event))
	}
}
