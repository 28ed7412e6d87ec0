package bridgeproperty_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
)

const (
	longEnough = 3 * time.Minute // for what should happen soon, on a busy machine
	waitTick   = 50 * time.Millisecond
	group      = "bridge"
)

// rig is bridges that share a group, each a process with proxies of its own between it and
// the two servers. The test itself reaches the servers without a proxy.
type rig struct {
	*testing.T
	random   *rand.Rand
	category string
	settings settings // of the next process
	events   *kurrent.Client
	bridged  *bridge.KurrentDB
	temporal client.Client
	bridges  []*bridgeProcess
	outcomes *outcomes
	log      io.Writer // of the bridges
}

func newRig(t *testing.T, random *rand.Rand, s settings) *rig {
	t.Helper()
	category := fmt.Sprintf("bp%x", time.Now().UnixNano()) // not from the seed, so that a server can serve many runs
	s.Stream, s.Group, s.Outcomes = "$ce-"+category, group, filepath.Join(t.TempDir(), "outcomes")
	r := &rig{T: t, random: random, category: category, settings: s, log: io.Discard}
	if *logFile != "" {
		file, err := os.OpenFile(*logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		require.NoError(t, err)
		t.Cleanup(func() { _ = file.Close() })
		r.log = file
	}
	address := *kurrentDB
	if address == "" {
		address = simulator(t)
	}
	r.connect(address, servers.Temporal(t))
	_, _, err := r.bridged.EnsureGroup(t.Context(), s.subscription())
	require.NoError(t, err)
	r.outcomes = newOutcomes(t, s.Outcomes)
	return r
}

func simulator(t *testing.T) (url string) {
	t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return server.URL()
}

func (r *rig) connect(kurrentDB, temporal string) {
	r.Helper()
	r.settings.KurrentDB, r.settings.Temporal = kurrentDB, temporal
	var err error
	r.events, err = kurrent.Open(kurrent.Config{URL: kurrentDB, AllowPlaintext: true, CallTimeout: 30 * time.Second})
	require.NoError(r, err)
	r.Cleanup(r.events.Close)
	r.bridged, err = bridge.Connect(kurrentDB, bridge.ConnectOptions{AllowPlaintext: true, CallTimeout: 30 * time.Second})
	require.NoError(r, err)
	r.Cleanup(r.bridged.Close)
	r.temporal, err = client.DialContext(r.Context(), client.Options{HostPort: temporal, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(r, err)
	r.Cleanup(r.temporal.Close)
}

// await waits until done returns true, and fails the test with what describe returns if
// that takes too long.
func (r *rig) await(done func() bool, describe func() string) {
	r.Helper()
	ticker := time.NewTicker(waitTick)
	defer ticker.Stop()
	for limit := time.Now().Add(longEnough); !done(); <-ticker.C {
		if time.Now().After(limit) {
			require.FailNow(r, "seed "+seedText()+": "+describe())
		}
	}
}

// work runs a worker for a queue until the test ends.
func (r *rig) work(queue string) {
	r.Helper()
	w := newWorker(r.temporal, queue)
	require.NoError(r, w.Start())
	r.Cleanup(w.Stop)
}

func (r *rig) append(e *event) {
	r.Helper()
	times, expected := 1, kurrent.Any()
	if e.twice {
		times, expected = 2, kurrent.NoStream()
	}
	for range times {
		_, err := r.events.Append(r.Context(), e.stream, expected, e.NewEvent)
		require.NoError(r, err)
	}
}

// bridgeProcess is a bridge and its proxies, which outlive the process.
type bridgeProcess struct {
	r                   *rig
	kurrentdb, temporal *faultproxy.Proxy
	settings            settings
	command             *exec.Cmd
	stdin               io.Closer
}

// addBridge adds a bridge and starts it.
func (r *rig) addBridge() {
	r.Helper()
	b := &bridgeProcess{r: r, settings: r.settings}
	at, err := url.Parse(r.settings.KurrentDB)
	require.NoError(r, err)
	if at.Port() == "" {
		at.Host = net.JoinHostPort(at.Hostname(), "2113")
	}
	b.kurrentdb, b.temporal = r.proxy(at.Host), r.proxy(r.settings.Temporal)
	at.Host = b.kurrentdb.Addr()
	b.settings.KurrentDB, b.settings.Temporal = at.String(), b.temporal.Addr()
	r.bridges = append(r.bridges, b)
	b.start()
	r.Cleanup(b.kill)
}

func (r *rig) proxy(target string) *faultproxy.Proxy {
	r.Helper()
	p, err := faultproxy.StartAt(devservertest.Address(r), target)
	require.NoError(r, err)
	r.Cleanup(func() { _ = p.Close() })
	return p
}

func (b *bridgeProcess) start() {
	b.r.Helper()
	encoded, err := json.Marshal(b.settings)
	require.NoError(b.r, err)
	program, err := os.Executable()
	require.NoError(b.r, err)
	b.command = exec.Command(program)
	b.command.Env = append(os.Environ(), settingsVariable+"="+string(encoded))
	b.command.Stderr = b.r.log
	b.stdin, err = b.command.StdinPipe()
	require.NoError(b.r, err)
	require.NoError(b.r, b.command.Start())
}

// kill kills the process, as a crash does.
func (b *bridgeProcess) kill() {
	_ = b.command.Process.Kill()
	_ = b.command.Wait()
}

// stop lets the process finish, which drains for a moment only.
func (b *bridgeProcess) stop() {
	b.r.Helper()
	require.NoError(b.r, b.stdin.Close())
	require.NoError(b.r, b.command.Wait())
}
