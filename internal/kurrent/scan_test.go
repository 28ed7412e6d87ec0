package kurrent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/internal/kurrent"
)

// write appends count streams with two events each, of which the second one is looked for.
func write(t *testing.T, client *kurrent.Client, from, count int) (streams []string) {
	t.Helper()
	for i := range count {
		stream := fmt.Sprintf("order-%d", from+i)
		_, err := client.Append(t.Context(), stream, kurrent.NoStream(), event("wanted-not", `{}`), event("wanted", `{}`))
		require.NoError(t, err)
		streams = append(streams, stream)
	}
	return streams
}

func scanned(t *testing.T, client *kurrent.Client, scan kurrent.Scan) (streams []string) {
	t.Helper()
	require.NoError(t, client.Scan(t.Context(), scan, func(e kurrent.Event) error {
		require.Equal(t, "wanted", e.Type)
		streams = append(streams, e.Stream)
		return nil
	}))
	return streams
}

func TestAScanVisitsTheEventsOfItsTypesInTheOrderOfTheLog(t *testing.T) {
	t.Parallel()
	server := simWith(t, kurrentsim.Options{HiddenLinks: []store.Target{{Stream: "order-3", Revision: 1}}, ProjectionDelay: time.Hour})
	client := open(t, server.url())
	require.Empty(t, scanned(t, client, kurrent.Scan{Types: []string{"wanted"}}), "nothing of that type is there")
	want := write(t, client, 0, 700)
	require.Equal(t, want, scanned(t, client, kurrent.Scan{Types: []string{"wanted"}}), "and no link, late or hidden, matters")
}

func TestAScanSinceATimeReadsNoMoreThanThat(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	write(t, client, 0, 400)
	since := time.Now()
	want := write(t, client, 400, 3)
	require.Equal(t, want, scanned(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: since}))
	require.Empty(t, scanned(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: time.Now()}))
	require.Len(t, scanned(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: since.Add(-time.Hour)}), 403)
}

func TestAScanGoesOnWhereItsConnectionBroke(t *testing.T) {
	t.Parallel()
	server := sim(t)
	p := startProxy(t, server.addr())
	want := write(t, open(t, server.url()), 0, 2_000)
	client := open(t, p.url())
	var got []string
	require.NoError(t, client.Scan(t.Context(), kurrent.Scan{Types: []string{"wanted"}}, func(e kurrent.Event) error {
		got = append(got, e.Stream)
		if len(got)%300 == 0 {
			p.cut()
		}
		return nil
	}))
	require.Equal(t, want, got, "each event once")
}

func TestAScanEnds(t *testing.T) {
	t.Parallel()
	wanted := kurrent.Scan{Types: []string{"wanted"}}
	none := func(kurrent.Event) error { return nil }

	t.Run("with the error of whom it visits", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		write(t, client, 0, 3)
		enough := errors.New("enough")
		visits := 0
		require.ErrorIs(t, client.Scan(t.Context(), wanted, func(kurrent.Event) error { visits++; return enough }), enough)
		require.Equal(t, 1, visits)
	})
	t.Run("when nobody answers", func(t *testing.T) {
		t.Parallel()
		client := open(t, urlOf(refusing(t)))
		short, err := kurrent.Open(kurrent.Config{URL: urlOf(refusing(t)), AllowPlaintext: true, CallTimeout: 100 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(short.Close)
		within(t, patience, func() { require.ErrorIs(t, short.Scan(t.Context(), wanted, none), kurrent.ErrUnavailable) })
		client.Close()
		require.ErrorIs(t, client.Scan(t.Context(), wanted, none), kurrent.ErrClosed)
	})
	t.Run("when it has no right to read the log", func(t *testing.T) {
		t.Parallel()
		client := open(t, startStub(t, func(string, grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "no") }))
		require.ErrorIs(t, client.Scan(t.Context(), wanted, none), kurrent.ErrAccessDenied)
		since := kurrent.Scan{Types: wanted.Types, Since: time.Now()}
		require.ErrorIs(t, client.Scan(t.Context(), since, none), kurrent.ErrAccessDenied)
	})
	t.Run("when its client is closed", func(t *testing.T) {
		t.Parallel()
		client := open(t, sim(t).url())
		write(t, client, 0, 100)
		require.ErrorIs(t, client.Scan(t.Context(), wanted, func(kurrent.Event) error { client.Close(); return nil }), kurrent.ErrClosed)
	})
}

func TestACreditDecisionIsReadWithoutWriting(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	accounts := kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: client})
	_, decided, err := accounts.Decision(t.Context(), "c1", "order-1")
	require.NoError(t, err)
	require.False(t, decided)
	require.ErrorIs(t, client.ReadStream(t.Context(), "credit-c1", 0, 1, func(kurrent.Event) error { return nil }), kurrent.ErrNotFound)

	_, err = client.Append(t.Context(), "credit-c1", kurrent.NoStream(),
		event("credit-account-opened", `{"customerId":"c1","limit":"USD100.00"}`),
		event("credit-reserved", `{"orderId":"order-1","amount":"USD10.00"}`))
	require.NoError(t, err)
	decision, decided, err := accounts.Decision(t.Context(), "c1", "order-1")
	require.NoError(t, err)
	require.True(t, decided)
	require.Equal(t, "USD10.00", decision.Amount.String())
	_, _, err = accounts.Decision(t.Context(), "", "order-1")
	require.ErrorIs(t, err, kurrent.ErrInvalid)

	customer, ok := kurrent.CustomerOf("credit-c1")
	require.True(t, ok)
	require.Equal(t, "c1", customer)
	for _, stream := range []string{"order-1", "credit-", "credits-c1"} {
		_, ok := kurrent.CustomerOf(stream)
		require.False(t, ok, stream)
	}
}
