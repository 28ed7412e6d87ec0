package load

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func TestVerify_AcceptedOrderExistsOnce(t *testing.T) {
	t.Parallel()
	events := emptyStreams(t)
	const placed, changed, opened = order.TypePlaced, "credit-limit-changed", "credit-account-opened"
	scant, ample := `{"limit":"`+scantLimit+`"}`, `{"limit":"`+ampleLimit+`"}`
	posted := ledger{sent: map[string]int{"POST /orders": 2}, accepted: true}
	account := ledger{opened: true, raised: true}
	type written struct{ stream, eventType, body string }
	for name, test := range map[string]struct {
		says    ledger
		written []written // to the order's stream where none is named; its own body where there is none
		erased  bool
		wrong   string // empty: nothing is
	}{
		"once":                           {posted, []written{{"", placed, ""}}, false, ""},
		"never":                          {posted, nil, false, "the order stands 0 times in its stream, not 1"},
		"twice":                          {posted, []written{{"", placed, ""}, {"", placed, ""}}, false, "the order stands 2 times in its stream, not 1"},
		"another":                        {posted, []written{{"", placed, `{}`}}, false, "the order stands 0 times"},
		"never, for it was deleted":      {posted, nil, true, ""},
		"once, though it was refused":    {ledger{sent: posted.sent}, []written{{"", placed, ""}}, false, "1 times in its stream, not 0"},
		"an account with its limit":      {account, []written{{"credit-", opened, scant}, {"credit-", changed, ample}}, false, ""},
		"an account with the old limit":  {account, []written{{"credit-", opened, scant}}, false, "stands 0 times in the account's stream"},
		"an account with a limit twice":  {account, []written{{"credit-", opened, scant}, {"credit-", changed, ample}, {"credit-", changed, ample}}, false, "stands 2 times"},
		"an account that was not opened": {account, []written{{"credit-", changed, ample}}, false, "stands 0 times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := &orderDriver{placement: made(t, Options{Seed: 1}, 1)[0], stores: &rig.Direct{Events: events}, ledger: test.says, erased: test.erased}
			l.id, l.body["customerId"] = "order-"+uuid.NewString(), uuid.NewString()
			for _, w := range test.written {
				stream, body := l.id, []byte(w.body)
				if w.stream != "" {
					stream = w.stream + l.customer()
				}
				if w.body == "" {
					body = encode(l.body)
				}
				_, err := events.Append(t.Context(), stream, kurrent.Any(), kurrent.NewEvent{ID: uuid.New(), Type: w.eventType, Data: body})
				require.NoError(t, err)
			}
			w := &Load{drivers: []*orderDriver{l}}
			require.NoError(t, w.verify(t.Context()))
			if test.wrong == "" {
				require.Empty(t, l.blamed)
				return
			}
			require.Len(t, l.blamed, 1)
			require.Contains(t, l.blamed[0].Detail, test.wrong)
		})
	}
	require.Equal(t, opened, credit.Opened{}.EventType())
}

func emptyStreams(t *testing.T) *kurrent.Client {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	events, err := kurrent.Open(kurrent.Config{
		URL: "kurrentdb://" + server.Addr() + "?tls=false", AllowPlaintext: true, CallTimeout: 5 * time.Second,
	})
	require.NoError(t, err)
	t.Cleanup(func() {
		events.Close()
		require.NoError(t, server.Stop(context.Background()))
	})
	return events
}
