package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
)

// publisherBinary returns the path of the publisher's binary.
func publisherBinary(t testing.TB) string {
	t.Helper()
	binary, err := built()
	require.NoError(t, err)
	return binary
}

// built builds the binary once for all tests.
var built = sync.OnceValues(func() (string, error) { return build(servers.Dir(), ".") })

func build(dir, pkg string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(pkg)+".bin")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return binary, nil
}

// process is a publisher in a separate process.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *strings.Builder
}

func (rig *publisherRig) start(binary string, environ ...string) *process {
	rig.t.Helper()
	p := &process{t: rig.t, cmd: exec.CommandContext(context.Background(), binary), log: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), append([]string{
		"POSTGRES_URL=" + rig.url, "KURRENTDB_URL=" + rig.kurrentDB, "KURRENTDB_ALLOW_PLAINTEXT=true", "PUBLISHER_SLOT=" + rig.name,
	}, environ...)...)
	p.cmd.Stderr = p.log
	require.NoError(rig.t, p.cmd.Start())
	rig.t.Cleanup(func() {
		p.kill()
		if rig.t.Failed() {
			rig.t.Logf("publisher log:\n%s", p.log)
		}
	})
	return p
}

func (p *process) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}

func TestPublisher_RepeatedKills(t *testing.T) {
	rig := newPublisherRig(t)
	binary := publisherBinary(t)
	const rounds = 8
	rig.approveMany("order-early", 300)
	for round := range rounds {
		p := rig.start(binary)
		rig.approveMany(fmt.Sprintf("order-%d", round), 100)
		for i := range 20 {
			rig.ship(fmt.Sprintf("order-%d-%d", round, i))
		}
		some := fmt.Sprintf("order-%d-%d", round, rand.IntN(100))
		if round == 0 {
			some = fmt.Sprintf("order-early-%d", rand.IntN(300))
		}
		require.EventuallyWithT(t, func(c *assert.CollectT) { require.NotEmpty(c, rig.typesFor(c, some)) }, waitLong, time.Millisecond)
		p.kill()
	}
	last := rig.start(binary)
	rig.awaitAll()
	rig.awaitConfirmed()
	require.NoError(t, last.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, last.cmd.Wait(), last.log.String())
	require.Zero(t, value[int](rig, "SELECT count(*) FROM publisher_set_aside"))
}

// The response of an append is stalled: KurrentDB has the event, but the publisher does
// not know. Then the process is killed.
func TestPublisher_KillBetweenAppendAndConfirmation(t *testing.T) {
	rig := newPublisherRig(t)
	binary := publisherBinary(t)
	proxy := rig.useProxy()
	first := rig.start(binary)
	rig.approve("order-0")
	rig.awaitTypes("order-0", "order-approved")
	proxy.StallResponse(func([]byte) bool { return true })
	rig.approve("order-held")
	rig.awaitTypes("order-held", "order-approved")
	first.kill()
	proxy.Resume()
	rig.ship("order-held")

	rig.start(binary)

	rig.awaitTypes("order-held", "order-approved", "order-shipped")
	rig.awaitAll()
}

func TestPublisher_StopDrainsAndConfirms(t *testing.T) {
	rig := newPublisherRig(t)
	binary := publisherBinary(t)
	p := rig.start(binary)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.True(c, query[bool](c, rig, "SELECT coalesce(bool_or(snapshot_done), false) FROM publisher_mark"))
	}, waitLong, waitTick)
	rig.approveMany("order", 500)
	rig.awaitTypes("order-0", "order-approved")
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
	require.Less(t, time.Since(began), 20*time.Second, "it must not use up its timeout of 25 s")
	require.Contains(t, p.log.String(), "publisher has stopped")
	checkpoint, _, err := rig.state().FindCheckpoint(t.Context(), rig.name)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the server may process the last report a little later
		slot, _, err := rig.publication().FindSlot(t.Context(), rig.name)
		require.NoError(c, err)
		require.Equal(c, checkpoint.Confirmed, slot.Confirmed, "the checkpoint must equal the server's confirmed position")
	}, waitLong, waitTick)
	require.True(t, checkpoint.SnapshotDone)
}

func TestPublisher_StopTimeoutWhileEventStoreUnavailable(t *testing.T) {
	rig := newPublisherRig(t)
	proxy := rig.useProxy()
	rig.settings.shutdownTimeout = 300 * time.Millisecond
	p := rig.publish()
	p.awaitPhase(phaseStream)
	proxy.Stall()
	rig.approve("order-1")
	require.Eventually(t, p.hasInFlight, waitLong, time.Millisecond)
	began := time.Now()
	p.stop()
	require.Less(t, time.Since(began), waitLong)
	proxy.Resume()
	rig.publish()
	rig.awaitAll()
}

func TestSnapshot_ContinuesAfterCrash(t *testing.T) {
	rig := newPublisherRig(t)
	const versions = 6 * snapshotPage
	rig.approveMany("order", versions)
	binary := publisherBinary(t)
	proxy := rig.useProxy()
	const saved = "SELECT coalesce(max(snapshot_id), 0) FROM publisher_mark"
	proxy.StallResponse(func([]byte) bool { // stalls responses once the checkpoint has moved, so the snapshot cannot finish
		var id int64
		return rig.pool.QueryRow(t.Context(), saved).Scan(&id) == nil && id > 0
	})
	p := rig.start(binary, "PUBLISHER_WINDOW=16")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Positive(c, query[int64](c, rig, saved)) }, waitLong, waitTick)
	p.kill()
	require.False(t, value[bool](rig, "SELECT snapshot_done FROM publisher_mark"))
	require.GreaterOrEqual(t, value[int64](rig, saved), int64(snapshotPage))
	proxy.Resume()
	rig.approve("order-between")

	again := rig.publish()

	rig.awaitAll()
	again.awaitPhase(phaseStream)
	require.Less(t, rig.count(resultPublished), versions, "completed versions are not read again")
}

// KurrentDB becomes unavailable repeatedly while orders are written.
func TestPublisher_KurrentDBOutageUnderLoad(t *testing.T) {
	rig := newPublisherRig(t)
	proxy := rig.useProxy()
	p := rig.publish()
	p.awaitPhase(phaseStream)
	for round := range 4 {
		rig.approveMany(fmt.Sprintf("order-%d", round), 100)
		switch round % 2 {
		case 0:
			proxy.Stall()
		case 1:
			proxy.Cut()
		}
		rig.approveMany(fmt.Sprintf("order-away-%d", round), 100)
		if round%2 == 0 {
			require.Eventually(t, func() bool { return p.hasInFlight() && p.lagNow() > 500*time.Millisecond }, waitLong, waitTick)
		}
		proxy.Resume()
	}
	rig.awaitAll()
	require.Zero(t, value[int](rig, "SELECT count(*) FROM publisher_set_aside"))
}

func TestPublisher_StandbyTakesOver(t *testing.T) {
	rig := newPublisherRig(t)
	first := rig.publish()
	first.awaitPhase(phaseStream)
	second := rig.publish()
	second.awaitPhase(phaseWaiting)
	require.EqualError(t, second.ready(t.Context()), "another publisher is active")
	require.NoError(t, first.ready(t.Context()))
	require.NotContains(t, gatherGauges(t, second), "orderflow_publisher_lag_seconds")
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")
	first.stop()
	rig.approve("order-2")
	second.awaitPhase(phaseStream)
	rig.awaitTypes("order-2", "order-approved")
	rig.awaitAll()
}

// A reader that is not one of our publishers holds the slot but not the lock.
func TestPublisher_WaitsForOtherSlotReader(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	rig.awaitFreeSlot()
	replication, err := rig.publication().OpenReplication(t.Context(), rig.name)
	require.NoError(t, err)
	require.NoError(t, replication.Start(t.Context()))
	rig.approve("order-1")
	again := rig.publish()
	never(t, func() bool { return again.phase.Load() == phaseStream }, time.Second)
	replication.Close()
	rig.awaitTypes("order-1", "order-approved")
}

func TestPublisher_SurvivesDatabaseCrashesAndStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := devservertest.Port(t) // reserved, so that no other process takes it while the server is down
	start := func() *devserver.Postgres {
		pg, err := devserver.StartPostgres(context.Background(), devserver.PostgresOptions{Dir: dir, Port: port})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pg.Stop(context.Background()) })
		return pg
	}
	pg := start()
	rig := newRigOnServer(t, pg.URL)
	proxy := rig.useProxy()
	p := rig.publish()
	p.awaitPhase(phaseStream)
	for round, end := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGINT, syscall.SIGQUIT} {
		rig.approveMany(fmt.Sprintf("order-%d", round), 200)
		if round == 1 {
			proxy.Stall() // a server that shuts down gracefully would wait forever for a reader that cannot confirm
			rig.approve("order-held")
		}
		pg.Signal(end)
		select {
		case <-pg.Done():
		case <-time.After(waitLong):
			require.Fail(t, "the server does not stop", "round %d", round)
		}
		proxy.Resume()
		pg = start()
		rig.reconnect()
	}
	rig.awaitAll()
	p.awaitPhase(phaseStream)
}
