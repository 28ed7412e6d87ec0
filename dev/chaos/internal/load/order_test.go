package load

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/sampledata"
	"orderflow/internal/order"
	"orderflow/internal/serverjson"
)

func made(t *testing.T, o Options, n int) []placement {
	t.Helper()
	m := newMaker(o)
	all := make([]placement, n)
	for i := range all {
		var err error
		all[i], err = m.next()
		require.NoError(t, err)
	}
	return all
}

// summaryOf is what makes an order the same order: scenarios hold functions, which cannot
// be compared.
func summaryOf(all []placement) []string {
	var lines []string
	for _, p := range all {
		lines = append(lines, p.id+" "+p.scenario.name+" "+p.eventID.String()+" "+p.total+" "+string(encode(p.body)))
	}
	return lines
}

func TestMaker_SameSeedSameOrders(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 7, Hot: 0.2, Mail: MailFaults{Throttled: 0.05, Error: 0.02, Lost: 0.02}}
	require.Equal(t, summaryOf(made(t, o, 100)), summaryOf(made(t, o, 100)))
	other := o
	other.Seed = 8
	require.NotEqual(t, summaryOf(made(t, o, 1)), summaryOf(made(t, other, 1)))
}

func TestMaker_EveryScenarioAndHotCustomer(t *testing.T) {
	t.Parallel()
	const n = 2000
	seen, hot, faults, http := map[string]int{}, 0, 0, 0
	for _, p := range made(t, Options{Seed: 1, Hot: 0.2, HTTP: 0.2, Mail: MailFaults{Throttled: 0.05, Error: 0.02, Lost: 0.02}}, n) {
		seen[p.scenario.name]++
		if p.http {
			http++
		}
		faults += len(p.faults)
		if p.body["customerId"] == hotCustomer {
			hot++
		}
	}
	for _, name := range OrderScenarios() {
		require.Positive(t, seen[name], name)
	}
	require.InDelta(t, 0.17*n, hot, 0.04*n, "some scenarios have customers of their own")
	require.InDelta(t, 0.09*n, faults, 0.03*n)
	require.InDelta(t, 0.31*n, http, 0.05*n, "a fifth, and those whose scenario requires it")
}

func TestMaker_WithoutAPINoHTTP(t *testing.T) {
	t.Parallel()
	for _, p := range made(t, Options{Seed: 1}, 500) {
		require.False(t, p.http || p.scenario.http, p.scenario.name)
	}
}

func TestMaker_OrdersFitTheirScenario(t *testing.T) {
	t.Parallel()
	for _, p := range made(t, Options{Seed: 1}, 500) {
		placed, err := order.DecodePlaced(p.id, sampledata.ContentTypeJSON, encode(p.body))
		require.NoError(t, err)
		require.Equal(t, p.total, placed.Total.String())
		require.Equal(t, p.address(), placed.Email)
		if p.scenario.held {
			require.Greater(t, placed.Total.Minor, int64(11_000_00), "no limit covers it")
		}
	}
}

func TestHidden(t *testing.T) {
	t.Parallel()
	o := Options{Seed: 4, Rate: 8, Window: time.Minute, Hot: 0.2}
	links, err := Hidden(o)
	require.NoError(t, err)
	var want []string
	for _, p := range made(t, o, o.most()) {
		if p.scenario.hidden {
			want = append(want, p.id+"@0")
		}
	}
	require.NotEmpty(t, want)
	require.Equal(t, want, links)
}

func TestInvalidBodies_CannotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, p := range made(t, Options{Seed: 1}, 50) {
		for i, body := range invalidBodies(encode(p.body)) {
			_, err := order.DecodePlaced(p.id, sampledata.ContentTypeJSON, body)
			require.Error(t, err, "way %d to spoil an order", i)
			require.NoError(t, serverjson.Check(body), "way %d to spoil an order is parked, so the server must deliver it", i)
		}
	}
}
