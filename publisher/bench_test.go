package main

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/backoff"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// benchWindow is the publisher's default limit of versions in flight.
const benchWindow = 256

// BenchmarkPublish measures the real binary between a PostgreSQL and a kurrentsim that
// both write to disk, each in its own process. It reports how many versions per second
// become events, how that compares to plain appends of as many events of the same size,
// and the publisher's peak memory.
func BenchmarkPublish(b *testing.B) {
	for _, c := range []struct {
		name     string
		snapshot bool
		orders   int
	}{
		{"from-the-log/20000", false, 20_000},
		{"from-the-log/100000", false, 100_000},
		{"from-the-history/20000", true, 20_000},
		{"from-the-history/100000", true, 100_000},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				benchmarkPublish(b, c.orders, c.snapshot)
			}
		})
	}
}

func benchmarkPublish(b *testing.B, orders int, snapshot bool) {
	b.StopTimer()
	pg, err := devserver.StartPostgres(b.Context(), devserver.PostgresOptions{Dir: filepath.Join(b.TempDir(), "postgres")})
	require.NoError(b, err)
	defer func() { _ = pg.Stop(context.Background()) }()
	require.NoError(b, postgres.Migrate(b.Context(), pg.URL, slog.New(slog.DiscardHandler)))
	eventStore := startKurrentsim(b)
	port, err := devserver.FreePort()
	require.NoError(b, err)
	ops := fmt.Sprintf("127.0.0.1:%d", port)
	environ := []string{
		"POSTGRES_URL=" + pg.URL, "KURRENTDB_URL=" + eventStore, "KURRENTDB_ALLOW_PLAINTEXT=true", "OPS_ADDR=" + ops,
	}
	if !snapshot { // the slot exists first, so the versions are read from the log
		runPublisher(b, environ, func(*exec.Cmd) { awaitReady(b, ops) })
	}
	writeOrders(b, pg.URL, orders)
	var rate float64
	used := runPublisher(b, environ, func(cmd *exec.Cmd) {
		b.StartTimer()
		began := time.Now()
		for published(ops) < float64(orders) {
			_ = backoff.Sleep(b.Context(), 50*time.Millisecond) // a scrape queries PostgreSQL too
		}
		b.StopTimer()
		rate = float64(orders) / time.Since(began).Seconds()
		peak, err := devservertest.PeakMiB(cmd.Process.Pid)
		require.NoError(b, err)
		b.ReportMetric(peak, "peak-MiB")
	})
	b.ReportMetric(rate, "versions/s")
	b.ReportMetric(rate/measureAppends(b, eventStore, orders), "of-bare-appends")
	b.ReportMetric(float64(used.Microseconds())/float64(orders), "cpu-µs/version")
}

// measureAppends appends as many events as were published, each a copy of a published one
// and to its own stream, with as many in flight as the publisher has. It returns the
// appends per second.
func measureAppends(b *testing.B, url string, events int) (rate float64) {
	b.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true})
	require.NoError(b, err)
	defer client.Close()
	like, err := client.ReadEvent(b.Context(), fmt.Sprintf("fulfillment-order-%032x", 0), 0)
	require.NoError(b, err)
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(benchWindow)
	began := time.Now()
	for i := range events {
		group.Go(func() error {
			event := kurrent.NewEvent{ID: uuid.New(), Type: like.Type, Data: like.Data, Metadata: like.Metadata}
			_, err := client.Append(ctx, fmt.Sprintf("bare-%d", i), kurrent.NoStream(), event)
			return err
		})
	}
	require.NoError(b, group.Wait())
	return float64(events) / time.Since(began).Seconds()
}

// runPublisher runs the publisher until during returns, and returns the CPU time it used.
func runPublisher(b *testing.B, environ []string, during func(*exec.Cmd)) time.Duration {
	cmd := exec.CommandContext(b.Context(), publisherBinary(b))
	cmd.Env, cmd.Stderr = append(os.Environ(), environ...), os.Stderr
	cmd.Env = append(cmd.Env, "LOG_LEVEL=warn")
	require.NoError(b, cmd.Start())
	during(cmd)
	require.NoError(b, cmd.Process.Signal(os.Interrupt))
	require.NoError(b, cmd.Wait())
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

// startKurrentsim starts kurrentsim as a process that stores its events in files.
func startKurrentsim(b *testing.B) (url string) {
	b.Helper()
	binary, err := build(servers.Dir(), "../dev/kurrentsim/cmd/kurrentsim")
	require.NoError(b, err)
	port, err := devserver.FreePort()
	require.NoError(b, err)
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	cmd := exec.CommandContext(context.Background(), binary, "--data", b.TempDir(), "--listen", listen)
	require.NoError(b, cmd.Start())
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	url = "kurrentdb://" + listen + "?tls=false"
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true})
	require.NoError(b, err)
	defer client.Close()
	require.Eventually(b, func() bool { return client.Ping(b.Context()) == nil }, waitLong, waitTick)
	return url
}

// writeOrders inserts the fulfillment rows of so many orders, each in its own
// transaction.
func writeOrders(b *testing.B, address string, orders int) {
	b.Helper()
	parsed, err := url.Parse(address)
	require.NoError(b, err)
	query := parsed.Query()
	query.Set("synchronous_commit", "off")
	parsed.RawQuery = query.Encode()
	db, err := pgx.Connect(b.Context(), parsed.String())
	require.NoError(b, err)
	defer func() { _ = db.Close(context.Background()) }()
	const portion = 1_000
	for from := 0; from < orders; from += portion {
		batch := &pgx.Batch{}
		for i := from; i < min(from+portion, orders); i++ {
			batch.Queue("BEGIN")
			batch.Queue(insertOrder, fmt.Sprintf("order-%032x", i), "fulfilling", nil)
			batch.Queue("COMMIT")
		}
		require.NoError(b, db.SendBatch(b.Context(), batch).Close())
	}
}

func awaitReady(b *testing.B, ops string) {
	b.Helper()
	require.Eventually(b, func() bool {
		answer, err := http.Get("http://" + ops + "/readyz")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, waitLong, 50*time.Millisecond)
}

// published returns the publisher's own count of published events, or 0 if it is not
// available.
func published(ops string) float64 {
	answer, err := http.Get("http://" + ops + "/metrics")
	if err != nil {
		return 0
	}
	defer func() { _ = answer.Body.Close() }()
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if value, ok := strings.CutPrefix(lines.Text(), `orderflow_publisher_events_total{result="published"} `); ok {
			n, _ := strconv.ParseFloat(value, 64)
			return n
		}
	}
	return 0
}
