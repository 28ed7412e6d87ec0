package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

// journalFile is the name of a server's journal in its --data directory.
const journalFile = "events.log"

// killedServer is the data of a server that was killed right after its last response.
type killedServer struct {
	log          []byte // the journal
	acknowledged int    // bytes of it before the last append
	before, all  []kurrentdb.RecordedEvent
	last         kurrentdb.EventData
	answer       *kurrentdb.WriteResult
}

// killAfterResponse makes every kind of write and kills the server as soon as the last
// one is acknowledged.
func killAfterResponse(t *testing.T) killedServer {
	t.Helper()
	dir := t.TempDir()
	server, client := startOn(t, dir)
	appendTo(t, client, "order-1", kurrentdb.NoStream{}, newEvent(`{"n":0}`), newEvent(`{"n":1}`), newEvent(`{"n":2}`))
	for _, stream := range []string{"order-2", "order-3"} {
		appendTo(t, client, stream, kurrentdb.NoStream{}, newEvent("{}"))
	}
	_, err := client.SetStreamMetadata(t.Context(), "order-1", kurrentdb.AppendToStreamOptions{}, keepTen())
	require.NoError(t, err)
	_, err = client.DeleteStream(t.Context(), "order-2", kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
	require.NoError(t, err)
	_, err = client.TombstoneStream(t.Context(), "order-3", kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
	require.NoError(t, err)
	require.NoError(t, client.CreatePersistentSubscription(t.Context(), "$ce-order", "g",
		kurrentdb.PersistentStreamSubscriptionOptions{StartFrom: kurrentdb.Start{}}))
	k := killedServer{before: everything(t, client), last: newEvent(`{"n":3}`)}
	k.acknowledged = len(readJournal(t, dir))
	k.answer = appendTo(t, client, "order-1", kurrentdb.Revision(2), k.last)
	require.NoError(t, server.Process.Kill())
	_ = server.Wait()
	k.log = readJournal(t, dir)
	_, client = startOn(t, dir)
	k.all = everything(t, client)
	require.NoError(t, client.Close())
	return k
}

// A killed process leaves what it wrote to the kernel. Package store tests that an append
// is acknowledged only once it is durable.
func TestKilledServer(t *testing.T) {
	t.Parallel()
	k := killAfterResponse(t)
	t.Run("has the append that it acknowledged last", func(t *testing.T) {
		t.Parallel()
		require.Greater(t, len(k.all), len(k.before))
		require.Equal(t, k.before, k.all[:len(k.before)])
		_, client := k.restart(t, k.log)
		require.Equal(t, k.all, everything(t, client))
		require.Equal(t, k.last.EventID, lastOf(t, client, "order-1").EventID)
		again := appendTo(t, client, "order-1", kurrentdb.Revision(2), k.last)
		require.Equal(t, k.answer.NextExpectedVersion, again.NextExpectedVersion, "a repeat is recognized")
		require.Equal(t, k.all, everything(t, client))
	})
	size := len(k.log) - k.acknowledged
	for name, tear := range map[string]func() []byte{
		"after its first byte":             func() []byte { return k.torn(1) },
		"in the middle":                    func() []byte { return k.torn(size / 2) },
		"before its last byte":             func() []byte { return k.torn(size - 1) },
		"with a second half never written": func() []byte { return append(k.torn(size/2), make([]byte, size-size/2)...) },
	} {
		t.Run("loses nothing but a last record torn "+name, func(t *testing.T) {
			t.Parallel()
			server, client := k.restart(t, tear())
			require.Contains(t, strings.Join(server.output, ""), "cut a torn tail")
			require.Equal(t, k.before, everything(t, client))
			_, err := client.GetPersistentSubscriptionInfo(t.Context(), "$ce-order", "g", kurrentdb.GetPersistentSubscriptionOptions{})
			require.NoError(t, err)
			repeated := appendTo(t, client, "order-1", kurrentdb.Revision(2), k.last)
			require.Equal(t, k.answer.NextExpectedVersion, repeated.NextExpectedVersion)
			written := everything(t, client)
			require.Len(t, written, len(k.all))

			require.NoError(t, server.Process.Kill())
			_ = server.Wait()
			_, client = k.restart(t, readJournal(t, dirOf(server)))
			require.Equal(t, written, everything(t, client), "the append behind the cut")
		})
	}
}

func keepTen() kurrentdb.StreamMetadata {
	var metadata kurrentdb.StreamMetadata
	metadata.SetMaxCount(10)
	return metadata
}

// torn returns the journal with only n bytes of its last record.
func (k killedServer) torn(n int) []byte {
	return append([]byte(nil), k.log[:k.acknowledged+n]...)
}

// restart starts a server on a copy of the journal.
func (k killedServer) restart(t *testing.T, log []byte) (*program, *kurrentdb.Client) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, journalFile), log, 0o600))
	return startOn(t, dir)
}

func startOn(t *testing.T, dir string) (*program, *kurrentdb.Client) {
	t.Helper()
	address := devservertest.Address(t)
	return startServer(t, "--listen", address, "--data", dir), connect(t, address)
}

// dirOf returns the data directory that a server was started with.
func dirOf(p *program) string { return p.Args[len(p.Args)-1] }

func readJournal(t *testing.T, dir string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, journalFile))
	require.NoError(t, err)
	return content
}

func appendTo(t *testing.T, client *kurrentdb.Client, stream string, state kurrentdb.StreamState, events ...kurrentdb.EventData) *kurrentdb.WriteResult {
	t.Helper()
	result, err := client.AppendToStream(t.Context(), stream, kurrentdb.AppendToStreamOptions{StreamState: state}, events...)
	require.NoError(t, err)
	return result
}

// everything returns the whole log, including links and system events, with positions and
// times.
func everything(t *testing.T, client *kurrentdb.Client) []kurrentdb.RecordedEvent {
	t.Helper()
	const enough = 1000
	read, err := client.ReadAll(t.Context(), kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, enough)
	require.NoError(t, err)
	defer read.Close()
	var all []kurrentdb.RecordedEvent
	for {
		e, err := read.Recv()
		if errors.Is(err, io.EOF) {
			require.Less(t, len(all), enough)
			return all
		}
		require.NoError(t, err)
		all = append(all, *e.OriginalEvent())
	}
}
