package postgres_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/correlation"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

func producersTrace() correlation.Trace {
	return correlation.Trace{CorrelationID: "cart-7", Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
}

// traces returns the traces of the history's versions.
func (w *world) traces() []correlation.Trace {
	w.t.Helper()
	pool, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url, MaxConns: 1})
	require.NoError(w.t, err)
	defer pool.Close()
	versions, err := postgres.NewHistory(pool).Page(w.t.Context(), 0, 100, 100)
	require.NoError(w.t, err)
	var traces []correlation.Trace
	for _, v := range versions {
		require.NotContains(w.t, string(v.New), "cart-7", "it is not part of a row's content")
		traces = append(traces, v.Trace)
	}
	return traces
}

func TestFulfillment_Trace(t *testing.T) {
	t.Run("is in every version", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		started := start()
		started.Source.Trace = producersTrace()
		_, err := w.StartFulfillment(t.Context(), started)
		require.NoError(t, err)
		w.close(shipped())
		require.Equal(t, []correlation.Trace{producersTrace(), producersTrace()}, w.traces())
	})
	for _, closing := range []fulfillment.Close{shipped(), cancelled()} {
		t.Run("is added to a row that an earlier release wrote, when it is "+string(closing.Status), func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			closing.Source.Trace = producersTrace()
			w.close(closing)
			require.Equal(t, []correlation.Trace{{}, producersTrace()}, w.traces())
		})
	}
	t.Run("is that of a rejection", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		closing := rejected()
		closing.Source.Trace = producersTrace()
		w.close(closing)
		require.Equal(t, []correlation.Trace{producersTrace()}, w.traces())
	})
	t.Run("is restored with a lost row", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		body := placed()
		_, err := w.RestoreFulfillment(t.Context(), fulfillment.Restore{Versions: versions(shippedState("sent")), Order: &body, Trace: producersTrace()})
		require.NoError(t, err)
		require.Equal(t, []correlation.Trace{producersTrace(), producersTrace()}, w.traces())
	})
	t.Run("is left out if it is not valid", func(t *testing.T) {
		w := newWorld(t, postgres.Config{})
		started := start()
		started.Source.Trace = correlation.Trace{CorrelationID: "mira@example.com", Traceparent: strings.Repeat("x", 1<<20)}
		row, err := w.StartFulfillment(t.Context(), started)
		require.NoError(t, err)
		require.Equal(t, order.StatusFulfilling, row.Status)
		require.Equal(t, []correlation.Trace{{}}, w.traces())
	})
}

func TestSchema_RefusesInvalidTrace(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	require.ErrorContains(t, w.exec("UPDATE order_fulfillment SET correlation_id = 'mira@example.com'"), "order_fulfillment_correlation_id_check")
	require.ErrorContains(t, w.exec("UPDATE order_fulfillment SET traceparent = 'x'"), "order_fulfillment_traceparent_check")
}
