package main

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orderflow/dev/devserver/devservertest"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
)

// Sizes of the benchmarks. Each runs its work once, with the simulator and a bare gRPC
// server as separate processes.
const (
	writers      = 64        // goroutines on one client, and messages in flight
	smallBody    = 256       // bytes of an event
	largeBody    = 2 << 10   // bytes of an event where memory is measured
	linkMetadata = 190       // bytes that the projections write with a link
	manyEvents   = 1_000_000 // events of a long log
	perStream    = 100       // events per stream of the log
)

func body(size int) []byte { return bytes.Repeat([]byte("x"), size) }

func BenchmarkAppendInMemory(b *testing.B) {
	compareAppends(b, 50_000, 5_000)
}

func BenchmarkAppendDurable(b *testing.B) {
	compareAppends(b, 30_000, 2_000, "--data", b.TempDir())
}

func compareAppends(b *testing.B, count, target int, args ...string) {
	b.Helper()
	bare := appendRate(b, startBare(b), count)
	report(b, "events/s", appendRate(b, startAt(b, args...), count), bare, float64(target))
}

// appendRate returns how many appends of one event all goroutines together complete per
// second.
func appendRate(b *testing.B, address string, count int) float64 {
	b.Helper()
	client := connect(b, address)
	batch := func(int) []kurrentdb.EventData { return []kurrentdb.EventData{sized("placed", smallBody)} }
	appendMany(b, client, 1_000, batch) // connects and warms up
	return appendMany(b, client, count, batch)
}

// appendMany makes count appends and returns the number per second.
func appendMany(b *testing.B, client *kurrentdb.Client, count int, batch func(int) []kurrentdb.EventData) float64 {
	b.Helper()
	var (
		running sync.WaitGroup
		next    atomic.Int64
		failed  atomic.Pointer[error]
	)
	begin := time.Now()
	for range writers {
		running.Go(func() {
			for n := int(next.Add(1)); n <= count && failed.Load() == nil; n = int(next.Add(1)) {
				options := kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}
				if _, err := client.AppendToStream(b.Context(), fmt.Sprintf("order-%06d", n%10_000), options, batch(n)...); err != nil {
					failed.Store(&err)
				}
			}
		})
	}
	running.Wait()
	if err := failed.Load(); err != nil {
		require.NoError(b, *err)
	}
	return float64(count) / time.Since(begin).Seconds()
}

func BenchmarkCatchUp(b *testing.B) {
	bare := catchUpRate(b, connect(b, startBare(b)), manyEvents)
	client := connect(b, startAt(b))
	fill(b, client, manyEvents, smallBody)
	report(b, "events/s", catchUpRate(b, client, manyEvents), bare, 40_000)
}

// catchUpRate reads count events of the category from its start, with links resolved, and
// returns the number per second.
func catchUpRate(b *testing.B, client *kurrentdb.Client, count int) float64 {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	begin := time.Now()
	sub, err := client.SubscribeToStream(ctx, "$ce-order", kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true})
	require.NoError(b, err)
	for seen := 0; seen < count; {
		e := sub.Recv()
		require.Nil(b, e.SubscriptionDropped)
		if e.EventAppeared != nil {
			seen++
		}
	}
	return float64(count) / time.Since(begin).Seconds()
}

func BenchmarkPersistentSubscription(b *testing.B) {
	const count = 100_000
	bare := consumeRate(b, connect(b, startBare(b)), count)
	client := connect(b, startAt(b))
	fill(b, client, count, smallBody)
	settings := kurrentdb.SubscriptionSettingsDefault()
	settings.ResolveLinkTos = true
	require.NoError(b, client.CreatePersistentSubscription(b.Context(), "$ce-order", "g",
		kurrentdb.PersistentStreamSubscriptionOptions{Settings: &settings, StartFrom: kurrentdb.Start{}}))
	report(b, "events/s", consumeRate(b, client, count), bare, 8_000)
}

// consumeRate receives count messages and acknowledges each individually. It returns the
// number per second.
func consumeRate(b *testing.B, client *kurrentdb.Client, count int) float64 {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	begin := time.Now()
	sub, err := client.SubscribeToPersistentSubscription(ctx, "$ce-order", "g",
		kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: writers})
	require.NoError(b, err)
	for range count {
		e := sub.Recv()
		require.NotNil(b, e.EventAppeared)
		require.NoError(b, sub.Ack(e.EventAppeared.Event))
	}
	return float64(count) / time.Since(begin).Seconds()
}

// BenchmarkLongLog writes a long durable log, reads it once, and restarts the server on
// it. Peaks are of resident memory: of the process that wrote and read, and of the one
// that restarted and read. It also reports the bare server's after the same work.
func BenchmarkLongLog(b *testing.B) {
	bare, address := startProgram(b, bareGRPC)
	client := connect(b, address)
	bareLoad := fill(b, client, manyEvents, largeBody)
	barePeak := peak(b, client, bare)

	dir := b.TempDir()
	server, address := startProgram(b, simulator, "--data", dir)
	client = connect(b, address)
	load := fill(b, client, manyEvents, largeBody)
	catchUpRate(b, client, manyEvents)
	wrote := peak(b, client, server)

	begin := time.Now()
	server, address = startProgram(b, simulator, "--data", dir)
	started := time.Since(begin)
	client = connect(b, address)
	catchUpRate(b, client, manyEvents)
	largest := max(wrote, peak(b, client, server))

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(load, "events/s")
	b.ReportMetric(load/bareLoad, "events/s/bare")
	b.ReportMetric(largest, "peak-MiB")
	b.ReportMetric(largest/barePeak, "peak/bare")
	b.ReportMetric(started.Seconds(), "start-s")
	require.LessOrEqual(b, largest, 400.0, "peak memory in MiB")
	require.LessOrEqual(b, started, 10*time.Second, "start with a long log")
}

// fill appends count events in batches of one stream each, and returns the number per
// second.
func fill(b *testing.B, client *kurrentdb.Client, count, size int) float64 {
	b.Helper()
	return perStream * appendMany(b, client, count/perStream, func(int) []kurrentdb.EventData {
		events := make([]kurrentdb.EventData, perStream)
		for i := range events {
			events[i] = sized("placed", size)
		}
		return events
	})
}

func sized(eventType string, size int) kurrentdb.EventData {
	return kurrentdb.EventData{EventID: uuid.New(), EventType: eventType, ContentType: kurrentdb.ContentTypeBinary, Data: body(size)}
}

// report reports a rate and that of the bare server, and fails if the target is missed.
func report(b *testing.B, unit string, rate, bare, target float64) {
	b.Helper()
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(rate, unit)
	b.ReportMetric(bare, "bare/s")
	b.ReportMetric(rate/bare, unit+"/bare")
	b.ReportMetric(target, "target/s")
	require.GreaterOrEqual(b, rate, target, unit)
}

func startBare(b *testing.B) string {
	b.Helper()
	_, address := startProgram(b, bareGRPC)
	return address
}

func startAt(b *testing.B, args ...string) string {
	b.Helper()
	_, address := startProgram(b, simulator, args...)
	return address
}

func startProgram(b *testing.B, as string, args ...string) (*program, string) {
	b.Helper()
	address := devservertest.Address(b)
	first := []string{address}
	if as == simulator {
		first = []string{"--listen", address}
	}
	return awaitServing(b, start(b, as, append(first, args...)...)), address
}

// peak ends a server and returns its peak resident memory, in MiB.
func peak(b *testing.B, client *kurrentdb.Client, p *program) float64 {
	b.Helper()
	require.NoError(b, client.Close())
	require.NoError(b, p.Process.Signal(syscall.SIGTERM))
	_ = p.Wait()
	usage, ok := p.ProcessState.SysUsage().(*syscall.Rusage)
	require.True(b, ok)
	unit := 1 << 10 // KiB
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	return float64(usage.Maxrss) * float64(unit) / (1 << 20)
}
