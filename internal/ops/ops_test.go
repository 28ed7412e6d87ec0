package ops_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.uber.org/goleak"

	"orderflow/dev/leaktest"
	"orderflow/dev/opstest"
	"orderflow/internal/ops"
	"orderflow/internal/version"
)

// startWorking starts a daemon that works at once, until the test ends.
func startWorking(t *testing.T, o ops.Options) *opstest.Daemon {
	t.Helper()
	return startDaemon(t, o, func(ctx context.Context) error {
		<-ctx.Done()
		return nil
	})
}

func startDaemon(t *testing.T, o ops.Options, work func(context.Context) error) *opstest.Daemon {
	t.Helper()
	return opstest.Start(t, func(ctx context.Context, log io.Writer) error {
		o.Service, o.Addr, o.Logger = "baker", "127.0.0.1:0", slog.New(slog.NewTextHandler(log, nil))
		return ops.Run(ctx, o, work)
	})
}

func ok(context.Context) error { return nil }

func bad(context.Context) error { return errors.New("schema is outdated") }

func hang(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestRun(t *testing.T) {
	t.Parallel()
	t.Run("is alive and not ready before the work begins", func(t *testing.T) {
		t.Parallel()
		d := startDaemon(t, ops.Options{Await: []ops.Dependency{{Name: "mill", Check: hang}}}, func(context.Context) error { panic("it works") })
		require.Equal(t, "ok\n", d.Await("/healthz", http.StatusOK))
		require.JSONEq(t, `{"baker":"takes no work: it is starting"}`, d.Await("/readyz", http.StatusServiceUnavailable))
	})
	t.Run("is alive and not ready while work finishes", func(t *testing.T) {
		t.Parallel()
		finish := make(chan struct{})
		d := startDaemon(t, ops.Options{}, func(ctx context.Context) error {
			<-ctx.Done()
			<-finish
			return errors.New("not all was finished")
		})
		d.Await("/readyz", http.StatusOK, `"baker":"ok"`)
		d.Cancel()
		d.Await("/readyz", http.StatusServiceUnavailable, "takes no work: it is stopping")
		d.Await("/healthz", http.StatusOK)
		close(finish)
		require.EqualError(t, d.Wait(), "not all was finished")
		require.Contains(t, d.Log(), "baker has stopped")
	})
	t.Run("ends without an error while a scrape is in progress", func(t *testing.T) {
		t.Parallel()
		metrics, err := ops.NewMetrics("baker")
		require.NoError(t, err)
		scraping, release := make(chan struct{}), make(chan struct{})
		defer close(release)
		metrics.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "slow", Help: "It is slow."}, func() float64 {
			close(scraping)
			<-release
			return 1
		}))
		d := startWorking(t, ops.Options{Metrics: metrics})
		go d.Get("/metrics")
		<-scraping
		require.NoError(t, d.Stop())
		require.Contains(t, d.Log(), "dropping requests to the operations server")
	})
	t.Run("does the work without an address too", func(t *testing.T) {
		t.Parallel()
		failed := errors.New("no flour")
		o := ops.Options{Service: "baker", Logger: slog.New(slog.DiscardHandler)}
		require.Equal(t, failed, ops.Run(t.Context(), o, func(context.Context) error { return failed }))
	})
	t.Run("does no work if the address is taken", func(t *testing.T) {
		t.Parallel()
		address := startWorking(t, ops.Options{}).Find(`address=(\S+)`)
		o := ops.Options{Service: "baker", Addr: address, Logger: slog.New(slog.DiscardHandler)}
		err := ops.Run(t.Context(), o, func(context.Context) error { panic("it works") })
		require.ErrorContains(t, err, "listen for operations")
	})
}

func TestAwait(t *testing.T) {
	t.Parallel()
	always := func(error) bool { return true }
	await := func(t *testing.T, check ops.Check, mayPass func(error) bool) *opstest.Daemon {
		t.Helper()
		metrics, err := ops.NewMetrics("baker")
		require.NoError(t, err)
		return startDaemon(t, ops.Options{Metrics: metrics, Await: []ops.Dependency{{Name: "mill", Check: check, MayPass: mayPass}}}, hang)
	}
	t.Run("shows, counts and logs what is waited for", func(t *testing.T) {
		t.Parallel()
		var up atomic.Bool
		d := await(t, func(context.Context) error {
			if up.Load() {
				return nil
			}
			return repairable{}
		}, always)
		d.Await("/readyz", http.StatusServiceUnavailable, `"baker":"takes no work: the mill is broken"`)
		d.Await("/metrics", http.StatusOK, `orderflow_startup_retries_total{dependency="mill"}`, `orderflow_check_passing{check="baker"} 0`)
		require.Equal(t, 1, strings.Count(d.Log(), `waiting_for=mill error="the mill is broken" repair="repair the mill"`), d.Log())
		up.Store(true)
		d.Await("/readyz", http.StatusOK)
		require.NotContains(t, d.Await("/metrics", http.StatusOK, `orderflow_check_passing{check="baker"} 1`),
			`orderflow_startup_retries_total{dependency="mill"} 0`)
	})
	t.Run("returns an error that does not clear", func(t *testing.T) {
		t.Parallel()
		require.EqualError(t, await(t, bad, func(error) bool { return false }).Wait(), "schema is outdated")
	})
	t.Run("ends without an error when the daemon is told to stop", func(t *testing.T) {
		t.Parallel()
		d := await(t, bad, always)
		d.Await("/readyz", http.StatusServiceUnavailable, "schema is outdated")
		require.NoError(t, d.Stop())
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	t.Run("lets the work run meanwhile", func(t *testing.T) {
		t.Parallel()
		d := startDaemon(t, ops.Options{Verify: []ops.Dependency{{Name: "mill", Check: bad}}}, hang)
		d.Find(`waiting_for=(mill) error="schema is outdated"`)
		d.Await("/readyz", http.StatusOK)
		require.NoError(t, d.Stop())
	})
	t.Run("ends the work with an error that does not clear", func(t *testing.T) {
		t.Parallel()
		never := func(error) bool { return false }
		d := startDaemon(t, ops.Options{Verify: []ops.Dependency{{Name: "mill", Check: bad, MayPass: never}}}, hang)
		require.EqualError(t, d.Wait(), "schema is outdated")
	})
	t.Run("ends with the work", func(t *testing.T) {
		t.Parallel()
		d := startDaemon(t, ops.Options{Verify: []ops.Dependency{{Name: "mill", Check: hang}}}, ok)
		require.NoError(t, d.Wait())
	})
}

// repairable is an error with a method Repair.
type repairable struct{}

func (repairable) Error() string  { return "the mill is broken" }
func (repairable) Repair() string { return "repair the mill" }

func TestReadiness(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	t.Cleanup(func() { close(stuck) })
	unresponsive := func(context.Context) error { <-stuck; return nil }
	for name, test := range map[string]struct {
		checks map[string]ops.Check
		status int
		answer string
	}{
		"passes with nothing to check":            {nil, 200, `{"baker":"ok"}`},
		"passes when all do":                      {map[string]ops.Check{"a": ok, "b": ok}, 200, `{"baker":"ok","a":"ok","b":"ok"}`},
		"fails with one":                          {map[string]ops.Check{"a": ok, "b": bad}, 503, `{"baker":"ok","a":"ok","b":"schema is outdated"}`},
		"fails with one that hangs":               {map[string]ops.Check{"a": ok, "b": hang}, 503, `{"baker":"ok","a":"ok","b":"no answer in time"}`},
		"fails with one that ignores its context": {map[string]ops.Check{"a": unresponsive}, 503, `{"baker":"ok","a":"no answer in time"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.JSONEq(t, test.answer, startWorking(t, ops.Options{Ready: test.checks}).Await("/readyz", test.status, `"baker":"ok"`))
		})
	}
	t.Run("shows an excluded check, which does not count", func(t *testing.T) {
		t.Parallel()
		d := startWorking(t, ops.Options{Ready: map[string]ops.Check{"a": ok, "slot": bad}})
		require.JSONEq(t, `{"baker":"ok","a":"ok","slot":"schema is outdated"}`, d.Await("/readyz?exclude=slot", http.StatusOK))
		d.Await("/readyz?exclude=a", http.StatusServiceUnavailable)
		d.Await("/readyz?exclude=sl%20ot", http.StatusBadRequest, `no check of readiness is called "sl ot"`)
		d.Await("/readyz?exclude=slot&exclude=baker", http.StatusBadRequest, `"baker"`)
	})
	t.Run("is asked at most once a second, and recovers", func(t *testing.T) {
		t.Parallel()
		var asked atomic.Int32
		var up atomic.Bool
		d := startWorking(t, ops.Options{Ready: map[string]ops.Check{"store": func(context.Context) error {
			asked.Add(1)
			if !up.Load() {
				return errors.New("down")
			}
			return nil
		}}})
		began := time.Now()
		for range 20 {
			status, _, _ := d.Get("/readyz")
			require.Equal(t, http.StatusServiceUnavailable, status)
		}
		require.LessOrEqual(t, int(asked.Load()), 1+int(time.Since(began)/time.Second))
		up.Store(true)
		d.Await("/readyz", http.StatusOK)
	})
}

func TestState(t *testing.T) {
	t.Parallel()
	metrics, err := ops.NewMetrics("baker")
	require.NoError(t, err)
	d := startWorking(t, ops.Options{Metrics: metrics, State: map[string]ops.Check{"store": ok, "mill": bad, "river": hang}})
	d.Await("/readyz", http.StatusOK, `"baker":"ok"`) // before the first checks are done
	d.Await("/readyz", http.StatusOK, `"store":"ok"`, `"mill":"schema is outdated"`, `"river":"no answer in time"`)
	d.Await("/metrics", http.StatusOK, `orderflow_check_passing{check="store"} 1`, `orderflow_check_passing{check="mill"} 0`,
		`orderflow_check_passing{check="river"} 0`)
}

// A scrape that meets a check that hangs shows the result of the one before it.
func TestMetrics_CheckThatHangs(t *testing.T) {
	t.Parallel()
	metrics, err := ops.NewMetrics("baker")
	require.NoError(t, err)
	var hangs, hanging atomic.Bool
	release := make(chan struct{})
	d := startWorking(t, ops.Options{Metrics: metrics, Ready: map[string]ops.Check{"store": func(context.Context) error {
		if hangs.Load() {
			hanging.Store(true)
			<-release
		}
		return nil
	}}})
	passing := `orderflow_check_passing{check="store"} 1`
	d.Await("/metrics", http.StatusOK, passing)
	hangs.Store(true)
	var body string
	require.Eventually(t, func() bool {
		_, body, _ = d.Get("/metrics")
		return hanging.Load()
	}, time.Minute, 10*time.Millisecond)
	require.Contains(t, body, passing)

	d.Await("/metrics", http.StatusOK, `orderflow_check_passing{check="store"} 0`)
	hangs.Store(false)
	close(release)
	d.Await("/metrics", http.StatusOK, passing)
}

func TestRun_Version(t *testing.T) {
	t.Parallel()
	metrics, err := ops.NewMetrics("baker")
	require.NoError(t, err)
	d := startWorking(t, ops.Options{Metrics: metrics})
	build := version.Read()
	d.Await("/metrics", http.StatusOK, fmt.Sprintf("orderflow_build_info{goversion=%q,revision=%q,version=%q} 1",
		build.GoVersion, build.Revision, build.Version))
	first, _, _ := strings.Cut(d.Log(), "\n")
	require.Contains(t, first, fmt.Sprintf(`msg="baker starting" revision=%q go=%s`, build.Revision, build.GoVersion))
}

func TestMetrics_OneRegistry(t *testing.T) {
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
	sdk.Timer("temporal_workflow_endtoend_latency").Record(8 * 24 * time.Hour)
	histogram, err := metrics.Meter("x").Float64Histogram("sizes", metric.WithUnit("By"))
	require.NoError(t, err)
	histogram.Record(t.Context(), 20)

	body := startWorking(t, ops.Options{Metrics: metrics}).Await("/metrics", http.StatusOK)
	require.Contains(t, body, `orderflow_email_total{kind="shipment"} 1`)
	require.Contains(t, body, `temporal_request_total{namespace="default"} 3`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.01"} 0`)
	require.Contains(t, body, `temporal_request_latency_seconds_bucket{namespace="default",le="0.025"} 1`)
	require.Contains(t, body, `temporal_workflow_endtoend_latency_seconds_bucket{namespace="default",le="604800"} 0`)
	require.Contains(t, body, `temporal_workflow_endtoend_latency_seconds_bucket{namespace="default",le="1.2096e+06"} 1`, "orders wait for weeks")
	require.Contains(t, body, `sizes_bytes_bucket{le="10000"} 1`, "only timers get buckets of seconds")
	require.Contains(t, body, `target_info{service_name="worker"} 1`)
	require.Contains(t, body, "go_goroutines")
}

func TestMetrics_NotServedUnlessGiven(t *testing.T) {
	t.Parallel()
	startWorking(t, ops.Options{}).Await("/metrics", http.StatusNotFound)
}

func TestMain(m *testing.M) {
	leaktest.Main(m, goleak.IgnoreCurrent())
}
