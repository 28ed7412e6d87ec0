package ops_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.uber.org/goleak"

	"orderflow/internal/ops"
)

func start(t *testing.T, o ops.Options) *ops.Server {
	t.Helper()
	o.Addr, o.Logger = "127.0.0.1:0", slog.New(slog.DiscardHandler)
	server, err := ops.Start(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Shutdown(context.WithoutCancel(t.Context()))) })
	return server
}

func get(t *testing.T, server *ops.Server, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr()+path, nil)
	require.NoError(t, err)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestAProcessThatServesIsAlive(t *testing.T) {
	t.Parallel()
	status, body := get(t, start(t, ops.Options{}), "/healthz")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "ok\n", body)
}

func TestReadinessNamesEachCheck(t *testing.T) {
	t.Parallel()
	ok := func(context.Context) error { return nil }
	bad := func(context.Context) error { return errors.New("schema is outdated") }
	late := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		checks map[string]func(context.Context) error
		status int
		answer map[string]string
	}{
		{"nothing to check is ready", nil, 200, map[string]string{}},
		{"all pass", map[string]func(context.Context) error{"a": ok, "b": ok}, 200, map[string]string{"a": "ok", "b": "ok"}},
		{"one fails", map[string]func(context.Context) error{"a": ok, "b": bad}, 503, map[string]string{"a": "ok", "b": "schema is outdated"}},
		{"one hangs", map[string]func(context.Context) error{"a": ok, "b": late}, 503, map[string]string{"a": "ok", "b": "no answer in time"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			status, body := get(t, start(t, ops.Options{Ready: test.checks}), "/readyz")
			require.Equal(t, test.status, status)
			var answer map[string]string
			require.NoError(t, json.Unmarshal([]byte(body), &answer))
			require.Equal(t, test.answer, answer)
		})
	}
}

func TestACheckThatIgnoresItsDeadlineDoesNotHoldUpTheAnswer(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	stuck := func(context.Context) error { <-release; return nil }
	began := time.Now()
	status, body := get(t, start(t, ops.Options{Ready: map[string]func(context.Context) error{"a": stuck}}), "/readyz")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.JSONEq(t, `{"a":"no answer in time"}`, body)
	require.Less(t, time.Since(began), 10*time.Second)
}

func TestReadinessIsAskedAtMostOnceASecondAndRecovers(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var up atomic.Bool
	server := start(t, ops.Options{Ready: map[string]func(context.Context) error{"store": func(context.Context) error {
		asked.Add(1)
		if !up.Load() {
			return errors.New("down")
		}
		return nil
	}}})
	began := time.Now()
	for range 20 {
		status, _ := get(t, server, "/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
	}
	require.LessOrEqual(t, int(asked.Load()), 1+int(time.Since(began)/time.Second))
	up.Store(true)
	require.Eventually(t, func() bool {
		status, _ := get(t, server, "/readyz")
		return status == http.StatusOK
	}, 10*time.Second, 50*time.Millisecond)
}

func TestOneRegistryShowsOurCountersAndThoseOfTheTemporalSDK(t *testing.T) {
	t.Parallel()
	metrics, err := ops.NewMetrics("worker")
	require.NoError(t, err)
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "orderflow_email_total", Help: "Mails."}, []string{"kind"})
	metrics.Registry.MustRegister(counter)
	counter.WithLabelValues("shipment").Inc()
	sdk := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: metrics.Meter("temporal-sdk-go"), OnError: func(err error) { t.Error(err) }, UseMonotonicCounters: true,
	}).WithTags(map[string]string{"namespace": "default"})
	sdk.Counter("temporal_request").Inc(3)
	sdk.Timer("temporal_request_latency").Record(20 * time.Millisecond)
	histogram, err := metrics.Meter("x").Float64Histogram("sizes", metric.WithUnit("By"))
	require.NoError(t, err)
	histogram.Record(t.Context(), 20)

	status, body := get(t, start(t, ops.Options{Metrics: metrics}), "/metrics")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, body, `orderflow_email_total{kind="shipment"} 1`)
	require.Contains(t, body, `temporal_request_total{namespace="default"} 3`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.01"} 0`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.025"} 1`)
	require.Contains(t, body, `sizes_bytes_bucket{le="10000"} 1`, "only timers get buckets of seconds")
	require.Contains(t, body, `target_info{service_name="worker"} 1`)
	require.Contains(t, body, "go_goroutines")
}

func TestMetricsAreNotServedUnlessGiven(t *testing.T) {
	t.Parallel()
	status, _ := get(t, start(t, ops.Options{}), "/metrics")
	require.Equal(t, http.StatusNotFound, status)
}

func TestWithoutAnAddressThereIsNoServerAndNothingToMind(t *testing.T) {
	t.Parallel()
	server, err := ops.Start(t.Context(), ops.Options{})
	require.NoError(t, err)
	require.Empty(t, server.Addr())
	require.NoError(t, server.Shutdown(t.Context()))
}

func TestATakenAddressIsAnError(t *testing.T) {
	t.Parallel()
	_, err := ops.Start(t.Context(), ops.Options{Addr: start(t, ops.Options{}).Addr(), Logger: slog.New(slog.DiscardHandler)})
	require.ErrorContains(t, err, "listen for operations")
}

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent())
}
