package streams_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/streams"
)

func TestReserve_CachedAccount(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	direct := kurrentsimtest.OpenClient(t, server.URL())
	opened := kurrentsimtest.Event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`)
	_, err := direct.Append(t.Context(), "credit-c1", kurrent.NoStream(), opened)
	require.NoError(t, err)
	for batch := range 6 { // 3000 orders, reserved and released
		events := make([]kurrent.NewEvent, 0, 1000)
		for i := range 500 {
			n := 500*batch + i
			events = append(events,
				kurrentsimtest.Event(credit.TypeReserved, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00"}`, n)),
				kurrentsimtest.Event(credit.TypeReleased, fmt.Sprintf(`{"orderId":"order-%d","amount":"USD900.00","reason":"paid"}`, n)))
		}
		_, err := direct.Append(t.Context(), "credit-c1", kurrent.Any(), events...)
		require.NoError(t, err)
	}
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	a := newAccounts(t, kurrentsimtest.OpenClient(t, gw.URL))
	for n, want := range []int{6001, 0, 0, 2} {
		if want == 2 { // another process has written meanwhile
			for extra := range want {
				_, err := newAccounts(t, direct).Reserve(t.Context(), requestFor(t, "c1", 20_000+extra, "USD1.00"))
				require.NoError(t, err)
			}
		}
		began, before := time.Now(), gw.EventsRead()
		_, err := a.Reserve(t.Context(), requestFor(t, "c1", 10_000+n, "USD1.00"))
		require.NoError(t, err)
		require.Equal(t, want, gw.EventsRead()-before)
		t.Logf("%d events read in %s", want, time.Since(began))
	}
}

func TestReserve_IncompleteStream(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(*testing.T, *kurrentsimtest.Server, *kurrent.Client){
		"its beginning was cut off": func(t *testing.T, server *kurrentsimtest.Server, _ *kurrent.Client) {
			kurrentsimtest.Truncate(t, server.URL(), "credit-c1", 1)
		},
		"it was deleted and written again": func(t *testing.T, server *kurrentsimtest.Server, client *kurrent.Client) {
			softDelete(t, server)
			_, err := client.Append(t.Context(), "credit-c1", kurrent.Any(), kurrentsimtest.Event(credit.TypeOpened, `{"customerId":"c1","limit":"USD1000.00"}`))
			require.NoError(t, err)
		},
		"it was deleted": func(t *testing.T, server *kurrentsimtest.Server, _ *kurrent.Client) { softDelete(t, server) },
		"it was tombstoned": func(t *testing.T, server *kurrentsimtest.Server, _ *kurrent.Client) {
			_, err := kurrentsimtest.OfficialClient(t, server.URL()).TombstoneStream(t.Context(), "credit-c1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kurrentsimtest.StartServer(t)
			client := kurrentsimtest.OpenClient(t, server.URL())
			a := newAccounts(t, client)
			_, err := a.Reserve(t.Context(), requestFor(t, "c1", 1, "USD60.00"))
			require.NoError(t, err)
			damage(t, server, client)
			fresh := newAccounts(t, client)
			for range 2 { // the second attempt fails in the same way
				_, err = fresh.Reserve(t.Context(), requestFor(t, "c1", 2, "USD60.00"))
				require.ErrorIs(t, err, streams.ErrTruncated)
				require.ErrorIs(t, err, credit.ErrHistory)
			}
		})
	}
}

func softDelete(t *testing.T, server *kurrentsimtest.Server) {
	t.Helper()
	_, err := kurrentsimtest.OfficialClient(t, server.URL()).DeleteStream(t.Context(), "credit-c1", kurrentdb.DeleteStreamOptions{})
	require.NoError(t, err)
}

func TestReserve_CachedAccountDeletedStream(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	a := newAccounts(t, client)
	request := requestFor(t, "c1", 1, "USD60.00")
	_, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	softDelete(t, server)
	for range 2 { // the second attempt does not write to the stream, which would bring it back
		_, err = a.Reserve(t.Context(), request)
		require.ErrorIs(t, err, streams.ErrTruncated)
		deleted, err := client.SoftlyDeleted(t.Context(), "credit-c1")
		require.NoError(t, err)
		require.True(t, deleted)
	}
}

func TestReserve_SmallCache(t *testing.T) {
	t.Parallel()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	a := streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL()), Terms: credit.Terms{Limits: limits}, CacheSize: 1,
	})
	for n := range 12 {
		for _, customer := range []string{"c1", "c2", "c3"} {
			decision, err := a.Reserve(t.Context(), requestFor(t, customer, n, "USD100.00"))
			require.NoError(t, err)
			require.Equal(t, n < 10, decision.Verdict == credit.VerdictReserved)
		}
	}
}
