package kurrentsim_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/leaktest"
)

func TestMain(m *testing.M) {
	leaktest.Main(m)
}

// patience is how long any expected event may take on a busy machine.
const patience = time.Minute

// testServer is a server and a client connected to it.
type testServer struct {
	*testing.T
	server *kurrentsim.Server
	client *kurrentdb.Client
}

func newTestServer(t *testing.T, options kurrentsim.Options) *testServer {
	t.Helper()
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	w := &testServer{T: t, server: server, client: dial(t, server.URL())}
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return w
}

func dial(t *testing.T, url string) *kurrentdb.Client {
	t.Helper()
	config, err := kurrentdb.ParseConnectionString(url)
	require.NoError(t, err)
	config.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(config)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func event(eventType string) kurrentdb.EventData {
	return kurrentdb.EventData{
		EventID: uuid.New(), EventType: eventType, ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"n":1}`),
	}
}

func events(count int) []kurrentdb.EventData {
	batch := make([]kurrentdb.EventData, count)
	for i := range batch {
		batch[i] = event(fmt.Sprintf("type-%d", i))
	}
	return batch
}

func (w *testServer) append(stream string, expected kurrentdb.StreamState, batch ...kurrentdb.EventData) *kurrentdb.WriteResult {
	w.Helper()
	result, err := w.tryAppend(stream, expected, batch...)
	require.NoError(w, err)
	return result
}

func (w *testServer) tryAppend(stream string, expected kurrentdb.StreamState, batch ...kurrentdb.EventData) (*kurrentdb.WriteResult, error) {
	return w.client.AppendToStream(w.Context(), stream, kurrentdb.AppendToStreamOptions{StreamState: expected}, batch...)
}

func (w *testServer) readStream(stream string, options kurrentdb.ReadStreamOptions) []*kurrentdb.ResolvedEvent {
	w.Helper()
	found, err := w.tryReadStream(stream, options)
	require.NoError(w, err)
	return found
}

func (w *testServer) tryReadStream(stream string, options kurrentdb.ReadStreamOptions) ([]*kurrentdb.ResolvedEvent, error) {
	read, err := w.client.ReadStream(w.Context(), stream, options, 10_000)
	if err != nil {
		return nil, err
	}
	return collect(read)
}

func (w *testServer) readAll(options kurrentdb.ReadAllOptions) []*kurrentdb.ResolvedEvent {
	w.Helper()
	read, err := w.client.ReadAll(w.Context(), options, 10_000)
	require.NoError(w, err)
	found, err := collect(read)
	require.NoError(w, err)
	return found
}

func collect(read *kurrentdb.ReadStream) ([]*kurrentdb.ResolvedEvent, error) {
	defer read.Close()
	var found []*kurrentdb.ResolvedEvent
	for {
		next, err := read.Recv()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return found, err
		}
		found = append(found, next)
	}
}

func requireCode(t *testing.T, err error, code kurrentdb.ErrorCode) {
	t.Helper()
	var failed *kurrentdb.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, code, failed.Code(), "%v", err)
}

func revisions(found []*kurrentdb.ResolvedEvent) []uint64 {
	numbers := []uint64{}
	for _, e := range found {
		numbers = append(numbers, e.OriginalEvent().EventNumber)
	}
	return numbers
}

// linkData returns the data of each link of a stream.
func linkData(found []*kurrentdb.ResolvedEvent) []string {
	targets := []string{}
	for _, e := range found {
		targets = append(targets, string(e.OriginalEvent().Data))
	}
	return targets
}

// recv waits for a subscription's next message and fails the test if there is none.
func recv(t *testing.T, sub *kurrentdb.Subscription) *kurrentdb.SubscriptionEvent {
	t.Helper()
	result := make(chan *kurrentdb.SubscriptionEvent, 1)
	go func() { result <- sub.Recv() }()
	select {
	case e := <-result:
		return e
	case <-time.After(patience):
		require.NoError(t, sub.Close())
		require.Fail(t, "the subscription received nothing")
		return nil
	}
}
