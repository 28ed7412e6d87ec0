package messages_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		url       string
		plaintext bool
		refused   string
	}{
		"accepts a host":                        {"kurrentdb://user:secret@host:2113", false, ""},
		"accepts hosts of a cluster":            {"kurrentdb+discover://user:secret@a:2113,b:2113", false, ""},
		"accepts plaintext where it is allowed": {"kurrentdb://host:2113?tls=false", true, ""},
		"refuses plaintext elsewhere":           {"kurrentdb://user:secret@host:2113?tls=false", false, "disables TLS"},
		"refuses unchecked certificates":        {"kurrentdb://user:secret@host?tlsVerifyCert=false", false, "certificates"},
		"refuses another scheme":                {"postgres://user:secret@host:2113", false, "is invalid"},
		"refuses a port, quoting no password":   {"kurrentdb://user:secret@host:port", false, "is invalid"},
		"refuses a certificate without its key": {"kurrentdb://user:secret@host?userCertFile=a", false, "is invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := messages.Open(c.url, c.plaintext, slog.New(slog.DiscardHandler))
			if c.refused == "" {
				require.NoError(t, err)
				store.Close()
				return
			}
			require.ErrorContains(t, err, c.refused)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

func TestStore_Outage(t *testing.T) {
	t.Parallel()
	s, store := openServer(t, kurrentsim.Options{})
	appendTo(t, store, "tested-1", 1)
	var group sync.WaitGroup
	for range 20 { // more connections than one
		group.Go(func() {
			_, err := store.Read(t.Context(), "tested-1")
			assert.NoError(t, err)
		})
	}
	group.Wait()

	s.stop()
	began := time.Now()
	for n := 0; n < 20 || time.Since(began) < 2*time.Second; n++ { // longer than the official client searches
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		require.ErrorIs(t, store.Append(ctx, "tested-1", messages.Any, newMessage()), messages.ErrUnavailable)
		cancel()
	}
	s.start()
	for range 20 {
		appendTo(t, store, "tested-1", 1)
	}
	require.Len(t, read(t, store, "tested-1"), 21)
}

func TestStore_Deadlines(t *testing.T) {
	t.Parallel()
	store := open(t, silentAddress(t))
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			err := store.Append(ctx, "tested-1", messages.Any, newMessage())
			assert.ErrorIs(t, err, messages.ErrUnavailable)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Less(t, time.Since(began), promptly)
		})
	}
	group.Wait()
}

func TestClose(t *testing.T) {
	t.Parallel()
	store := open(t, silentAddress(t))
	ended := make(chan error, 2)
	go func() { ended <- store.Append(t.Context(), "tested-1", messages.Any, newMessage()) }()
	go func() { ended <- store.Subscribe(t.Context(), "tested", nil, nil) }()
	began := time.Now()
	store.Close()
	require.ErrorIs(t, <-ended, messages.ErrUnavailable)
	require.ErrorIs(t, <-ended, messages.ErrUnavailable)
	store.Close()
	_, err := store.Read(t.Context(), "tested-1")
	require.ErrorIs(t, err, messages.ErrUnavailable)
	require.Less(t, time.Since(began), promptly)
}
