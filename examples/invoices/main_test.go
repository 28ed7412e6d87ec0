package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
)

func TestRun(t *testing.T) {
	events, temporal := startServers(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, events.url, slog.New(slog.DiscardHandler)) }()

	t.Run("reminds of an invoice that is due", func(t *testing.T) {
		invoice := events.append(t, "", "invoice-issued", issuedAt(time.Now()))
		require.True(t, awaitReminder(t, temporal, invoice))
	})
	t.Run("reminds of no invoice that is paid", func(t *testing.T) {
		invoice := events.append(t, "", "invoice-issued", issuedAt(time.Now().Add(time.Hour)))
		events.append(t, invoice, "invoice-paid", "{}")
		require.False(t, awaitReminder(t, temporal, invoice))
	})
	t.Run("knows an invoice that is paid before its issue arrives", func(t *testing.T) {
		invoice := events.append(t, "", "invoice-paid", "{}")
		events.append(t, invoice, "invoice-issued", issuedAt(time.Now().Add(time.Hour)))
		require.False(t, awaitReminder(t, temporal, invoice))
	})
	stop()
	require.NoError(t, <-ended)
}

// eventStore is a KurrentDB simulator, with a client that appends as other programs do.
type eventStore struct {
	url    string
	client *kurrentdb.Client
}

func startServers(t *testing.T) (eventStore, client.Client) {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	config, err := kurrentdb.ParseConnectionString(server.URL())
	require.NoError(t, err)
	config.Logger = kurrentdb.NoopLogging()
	appender, err := kurrentdb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, appender.Close()) })

	cli, err := devserver.TemporalCLI(t.Context(), "", os.Stderr)
	require.NoError(t, err)
	temporalServer, err := devserver.StartTemporal(t.Context(), devserver.TemporalOptions{CLIPath: cli, Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, temporalServer.Stop(context.Background())) })
	t.Setenv("TEMPORAL_ADDRESS", temporalServer.Address)
	temporal, err := client.Dial(client.Options{HostPort: temporalServer.Address})
	require.NoError(t, err)
	t.Cleanup(temporal.Close)
	return eventStore{url: server.URL(), client: appender}, temporal
}

// append appends an event to an invoice's stream, of a new invoice if there is none, and
// returns the stream.
func (s eventStore) append(t *testing.T, invoice, eventType, data string) string {
	t.Helper()
	if invoice == "" {
		invoice = "invoice-" + uuid.NewString()
	}
	_, err := s.client.AppendToStream(t.Context(), invoice, kurrentdb.AppendToStreamOptions{}, kurrentdb.EventData{
		EventType: eventType, ContentType: kurrentdb.ContentTypeJson, Data: []byte(data),
	})
	require.NoError(t, err)
	return invoice
}

func issuedAt(due time.Time) string { return fmt.Sprintf(`{"due":%q}`, due.Format(time.RFC3339Nano)) }

// awaitReminder returns whether an invoice's workflow sent a reminder, once it has ended.
func awaitReminder(t *testing.T, temporal client.Client, invoice string) (sent bool) {
	t.Helper()
	require.Eventually(t, func() bool {
		return temporal.GetWorkflow(t.Context(), "reminder-"+invoice, "").Get(t.Context(), &sent) == nil
	}, time.Minute, 20*time.Millisecond)
	return sent
}
