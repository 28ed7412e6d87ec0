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
	"orderflow/internal/postgres"
)

// publisherBinary is the publisher's binary.
func publisherBinary(t testing.TB) string {
	t.Helper()
	binary, err := built()
	require.NoError(t, err)
	return binary
}

// built makes the binary once for all tests.
var built = sync.OnceValues(func() (string, error) { return build(scratch, ".") })

func build(dir, pkg string) (string, error) {
	binary := filepath.Join(dir, filepath.Base(pkg)+".bin")
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", binary, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w: %s", pkg, err, out)
	}
	return binary, nil
}

// process is a publisher in a process of its own.
type process struct {
	t   *testing.T
	cmd *exec.Cmd
	log *strings.Builder
}

func (w *world) start(binary string, environ ...string) *process {
	w.t.Helper()
	p := &process{t: w.t, cmd: exec.CommandContext(context.Background(), binary), log: &strings.Builder{}}
	p.cmd.Env = append(os.Environ(), append([]string{
		"POSTGRES_URL=" + w.url, "KURRENTDB_URL=" + w.kurrentDB, "KURRENTDB_ALLOW_PLAINTEXT=true", "PUBLISHER_SLOT=" + w.name,
	}, environ...)...)
	p.cmd.Stderr = p.log
	require.NoError(w.t, p.cmd.Start())
	w.t.Cleanup(func() {
		p.kill()
		if w.t.Failed() {
			w.t.Logf("the publisher said:\n%s", p.log)
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

func TestAPublisherThatIsKilledAgainAndAgainSkipsAndDoublesNothing(t *testing.T) {
	w := newWorld(t)
	binary := publisherBinary(t)
	const rounds = 8
	w.approveMany("order-early", 300)
	for round := range rounds {
		p := w.start(binary)
		w.approveMany(fmt.Sprintf("order-%d", round), 100)
		for i := range 20 {
			w.ship(fmt.Sprintf("order-%d-%d", round, i))
		}
		some := fmt.Sprintf("order-%d-%d", round, rand.IntN(100))
		if round == 0 {
			some = fmt.Sprintf("order-early-%d", rand.IntN(300))
		}
		require.EventuallyWithT(t, func(c *assert.CollectT) { require.NotEmpty(c, w.typesFor(c, some)) }, waitLong, time.Millisecond)
		p.kill()
	}
	last := w.start(binary)
	w.awaitAll()
	w.awaitConfirmed()
	require.NoError(t, last.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, last.cmd.Wait(), last.log.String())
	require.Zero(t, value[int](w, "SELECT count(*) FROM publisher_set_aside"))
}

// The answer of an append is held back: KurrentDB has the event and nobody knows. Then the process is killed.
func TestAKillBetweenAppendAndConfirmationDoublesNothing(t *testing.T) {
	w := newWorld(t)
	binary := publisherBinary(t)
	away := w.behindProxy()
	first := w.start(binary)
	w.approve("order-0")
	w.awaitTypes("order-0", "order-approved")
	away.StallResponse(func([]byte) bool { return true })
	w.approve("order-held")
	w.awaitTypes("order-held", "order-approved")
	first.kill()
	away.open()
	w.ship("order-held")

	w.start(binary)

	w.awaitTypes("order-held", "order-approved", "order-shipped")
	w.awaitAll()
}

func TestAStopFinishesWhatIsInFlightAndConfirmsIt(t *testing.T) {
	w := newWorld(t)
	binary := publisherBinary(t)
	p := w.start(binary)
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		require.True(c, look[bool](c, w, "SELECT coalesce(bool_or(snapshot_done), false) FROM publisher_mark"))
	}, waitLong, waitTick)
	w.approveMany("order", 500)
	w.awaitTypes("order-0", "order-approved")
	began := time.Now()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, p.cmd.Wait())
	require.Less(t, time.Since(began), 20*time.Second, "it does not use up its budget of 25 s")
	require.Contains(t, p.log.String(), "publisher has stopped")
	mark, _, err := w.store().FindMark(t.Context(), w.name)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the server reads what it was told last when it gets to it
		slot, _, err := w.store().FindSlot(t.Context(), w.name)
		require.NoError(c, err)
		require.Equal(c, mark.Confirmed, slot.Confirmed, "what is written down is what the server knows")
	}, waitLong, waitTick)
	require.True(t, mark.SnapshotDone)
}

func TestAStopDoesNotWaitForAnEventStoreThatIsAwayForLongerThanItsBudget(t *testing.T) {
	w := newWorld(t)
	away := w.behindProxy()
	w.settings.budget = 300 * time.Millisecond
	p := w.publish()
	p.awaitPhase(phaseStream)
	away.shut()
	w.approve("order-1")
	require.Eventually(t, p.waits, waitLong, time.Millisecond)
	began := time.Now()
	p.stop()
	require.Less(t, time.Since(began), waitLong)
	away.open()
	w.publish()
	w.awaitAll()
}

func TestACrashInTheSnapshotSkipsNothingAndGoesOnWhereItWas(t *testing.T) {
	w := newWorld(t)
	const versions = 6 * snapshotPage
	w.approveMany("order", versions)
	binary := publisherBinary(t)
	away := w.behindProxy()
	const saved = "SELECT coalesce(max(snapshot_id), 0) FROM publisher_mark"
	away.StallResponse(func([]byte) bool { // none comes after the mark was moved: it cannot finish
		var id int64
		return w.looks.QueryRow(t.Context(), saved).Scan(&id) == nil && id > 0
	})
	p := w.start(binary, "PUBLISHER_WINDOW=16")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Positive(c, look[int64](c, w, saved)) }, waitLong, waitTick)
	p.kill()
	require.False(t, value[bool](w, "SELECT snapshot_done FROM publisher_mark"))
	require.GreaterOrEqual(t, value[int64](w, saved), int64(snapshotPage))
	away.open()
	w.approve("order-between")

	again := w.publish()

	w.awaitAll()
	again.awaitPhase(phaseStream)
	require.Less(t, w.count(resultPublished), versions, "what was answered is not read again")
}

// All of it happens while orders are written.
func TestKurrentDBAwayUnderLoadLosesAndSetsAsideNothing(t *testing.T) {
	w := newWorld(t)
	away := w.behindProxy()
	p := w.publish()
	p.awaitPhase(phaseStream)
	for round := range 4 {
		w.approveMany(fmt.Sprintf("order-%d", round), 100)
		switch round % 2 {
		case 0:
			away.shut()
		case 1:
			away.Cut()
		}
		w.approveMany(fmt.Sprintf("order-away-%d", round), 100)
		if round%2 == 0 {
			require.Eventually(t, func() bool { return p.waits() && p.lagNow() > 500*time.Millisecond }, waitLong, waitTick)
		}
		away.open()
	}
	w.awaitAll()
	require.Zero(t, value[int](w, "SELECT count(*) FROM publisher_set_aside"))
}

func TestASecondPublisherWaitsAndTakesOver(t *testing.T) {
	w := newWorld(t)
	first := w.publish()
	first.awaitPhase(phaseStream)
	second := w.publish()
	second.awaitPhase(phaseWaiting)
	require.EqualError(t, second.ready(t.Context()), "another publisher is active")
	require.NoError(t, first.ready(t.Context()))
	require.NotContains(t, gathered(t, second), "orderflow_publisher_lag_seconds")
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")
	first.stop()
	w.approve("order-2")
	second.awaitPhase(phaseStream)
	w.awaitTypes("order-2", "order-approved")
	w.awaitAll()
}

// A reader that is no publisher of ours: it holds the slot, but not the lock.
func TestAForeignReaderOfTheSlotIsWaitedFor(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	w.awaitFreeSlot()
	link, err := w.store().OpenReplication(t.Context(), w.name)
	require.NoError(t, err)
	require.NoError(t, link.Start(t.Context()))
	w.approve("order-1")
	again := w.publish()
	never(t, func() bool { return again.phase.Load() == phaseStream }, time.Second)
	link.Close()
	w.awaitTypes("order-1", "order-approved")
}

func TestThePublisherOutlivesItsDatabasesCrashesAndStops(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	port := devservertest.Port(t) // nobody may take it while the server is down
	start := func() *devserver.Postgres {
		pg, err := devserver.StartPostgres(context.Background(), devserver.PostgresOptions{Dir: dir, Port: port})
		require.NoError(t, err)
		t.Cleanup(func() { _ = pg.Stop(context.Background()) })
		return pg
	}
	pg := start()
	w := lonelyWorld(t, pg.URL)
	away := w.behindProxy()
	p := w.publish()
	p.awaitPhase(phaseStream)
	for round, end := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGINT, syscall.SIGQUIT} {
		w.approveMany(fmt.Sprintf("order-%d", round), 200)
		if round == 1 {
			away.shut() // a server that stops in good order would wait for ever for a reader that cannot confirm
			w.approve("order-held")
		}
		pg.Signal(end)
		select {
		case <-pg.Done():
		case <-time.After(waitLong):
			require.Fail(t, "the server does not stop", "round %d", round)
		}
		away.open()
		pg = start()
		w.reconnect()
	}
	w.awaitAll()
	p.awaitPhase(phaseStream)
}

// store opens the database as a publisher does, once.
func (w *world) store() *postgres.Store {
	w.t.Helper()
	if w.stores[w.url] == nil {
		store, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url, MaxConns: 2})
		require.NoError(w.t, err)
		w.t.Cleanup(store.Close)
		w.stores[w.url] = store
	}
	return w.stores[w.url]
}
