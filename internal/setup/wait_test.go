package setup_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/setup"
)

// notifyOn is a handler of logs that sends on a channel when it gets a record with a
// message.
type notifyOn struct {
	slog.Handler
	message string
	seen    chan<- struct{}
}

func (n notifyOn) Handle(_ context.Context, r slog.Record) error {
	if r.Message == n.message {
		select {
		case n.seen <- struct{}{}:
		default:
		}
	}
	return nil
}

func (notifyOn) Enabled(context.Context, slog.Level) bool { return true }

func TestRun_Waits(t *testing.T) {
	t.Parallel()
	address := devservertest.Address(t)
	events, err := kurrent.Open(kurrent.Config{URL: "kurrentdb://" + address + "?tls=false", AllowPlaintext: true, CallTimeout: 5 * time.Second})
	require.NoError(t, err)
	t.Cleanup(events.Close)
	store := &setup.KurrentDBOptions{Client: events, Group: groupSettings()}

	report, lines := set(t, setup.Options{KurrentDB: store, Wait: 1})
	require.True(t, strings.HasPrefix(lines, "kurrentdb, connection: failed: "), lines)
	require.Contains(t, lines, "; nothing was done\n")
	require.Len(t, report.Steps, 1)

	waits := make(chan struct{}, 1)
	done := make(chan string, 1)
	go func() {
		_, lines := set(t, setup.Options{KurrentDB: store, Logger: slog.New(notifyOn{slog.DiscardHandler, "waiting for store", waits})})
		done <- lines
	}()
	<-waits
	server, err := kurrentsim.Start(kurrentsim.Options{Listen: address})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	require.Equal(t, "kurrentdb, group fulfillment on $ce-order: created: \n", <-done)
}
