package projection

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/view"
)

var benchEvents = flag.Int("events", 1_000_000, "events of the log that the benchmark rebuilds the view from")

// BenchmarkRebuild runs `orderflow view rebuild` over a durable log, first over a quarter of
// it. It reports the speed, how that compares to only reading the log, and the peak
// memory.
func BenchmarkRebuild(b *testing.B) {
	program := filepath.Join(b.TempDir(), "orderflow")
	build := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../orderflow")
	build.Stderr = os.Stderr
	require.NoError(b, build.Run())
	for b.Loop() {
		rig := newProjectorRig(b, kurrentsim.Options{DataDir: b.TempDir()})
		quarter := *benchEvents / 4 / eventsEach
		rig.fill(b, 0, quarter)
		_, small := rig.measureRebuild(b, program)
		rig.fill(b, quarter, 4*quarter)
		took, large := rig.measureRebuild(b, program)
		b.ReportMetric(float64(4*quarter*eventsEach)/took.Seconds(), "events/s")
		b.ReportMetric(rig.measureReading(b, 4*quarter*eventsEach).Seconds()/took.Seconds(), "of-bare-reading")
		b.ReportMetric(small, "MiB-at-a-quarter")
		b.ReportMetric(large, "MiB")
		b.ReportMetric(large/small, "memory-ratio")
	}
}

// eventsEach is the number of events per order: placed, reserved, approved, shipped.
const eventsEach = 4

// fill appends the orders numbered from (inclusive) to to (exclusive). Each customer has
// a hundred of them.
func (rig *projectorRig) fill(b *testing.B, from, to int) {
	b.Helper()
	var group errgroup.Group
	group.SetLimit(2 * runtime.NumCPU())
	for customer := from / 100; customer <= to/100; customer++ {
		group.Go(func() error {
			var credit []kurrent.NewEvent
			name := fmt.Sprintf("c-%d", customer)
			for n := max(from, customer*100); n < min(to, (customer+1)*100); n++ {
				id := fmt.Sprintf("order-%d", n)
				credit = append(credit, newEvent("credit-reserved", map[string]any{"orderId": id, "amount": money(1210)}))
				if err := rig.write(id, placed(id, name)); err != nil {
					return err
				}
				if err := rig.write("fulfillment-"+id, domainEvent(id, name, "approved", "fulfilling"), domainEvent(id, name, "shipped", "shipped")); err != nil {
					return err
				}
			}
			if len(credit) == 0 {
				return nil
			}
			return rig.write("credit-"+name, credit...)
		})
	}
	require.NoError(b, group.Wait())
}

func (rig *projectorRig) write(stream string, events ...kurrent.NewEvent) error {
	_, err := rig.events.Append(context.Background(), stream, kurrent.Any(), events...)
	return err
}

func domainEvent(id, customer, kind, status string) kurrent.NewEvent {
	return newEvent("order-"+kind, map[string]any{
		"orderId": id, "customerId": customer, "status": status, "reason": "", "total": money(1210), "carrier": "", "trackingNumber": "",
		"old": nil, "new": map[string]any{"placed_at": "2026-01-01T00:00:00Z"},
	})
}

// measureReading returns how long it takes to only follow the whole log.
func (rig *projectorRig) measureReading(b *testing.B, events int) time.Duration {
	b.Helper()
	began := time.Now()
	read, err := rig.events.CountEvents(b.Context(), kurrent.Follow{Prefixes: view.Prefixes()}, events)
	require.NoError(b, err)
	require.Equal(b, events, read)
	return time.Since(began)
}

// measureRebuild returns how long a rebuild takes and its peak memory in MiB.
func (rig *projectorRig) measureRebuild(b *testing.B, program string) (took time.Duration, peak float64) {
	b.Helper()
	run := exec.CommandContext(b.Context(), program, "view", "rebuild")
	run.Env = append(os.Environ(), "KURRENTDB_URL="+rig.server.URL(), "KURRENTDB_ALLOW_PLAINTEXT=true", "POSTGRES_URL="+rig.url)
	run.Stderr = os.Stderr
	began := time.Now()
	require.NoError(b, run.Start())
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	for {
		select {
		case err := <-ended:
			require.NoError(b, err)
			return time.Since(began), peak
		case <-time.After(50 * time.Millisecond):
			if now, err := devservertest.PeakMiB(run.Process.Pid); err == nil { // it may have ended meanwhile
				peak = max(peak, now)
			}
		}
	}
}
