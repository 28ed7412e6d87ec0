package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"

	"example.com/catalog/sample"
	"example.com/catalog/video"
)

const (
	patience = 4 * time.Minute // for what should happen soon
	tick     = 50 * time.Millisecond
)

// binary is the path of the catalog.
var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "catalog-e2e-")
	if err == nil {
		binary = filepath.Join(folder, "catalog")
		build := exec.Command("go", "build", "-o", binary, "..")
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		err = build.Run()
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// rig is a catalog with servers of its own. The catalog reaches them through proxies; the
// test does not.
type rig struct {
	*testing.T
	folder   string // of the catalog's files
	proxies  map[string]*faultproxy.Proxy
	events   *kurrentdb.Client
	eventURL string
	temporal client.Client
	database *pgxpool.Pool
	environ  []string
	ports    *devserver.Ports
	process  *devserver.Process
	url, ops string
	log      string
}

// newRig starts the servers and the catalog.
func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{T: t, folder: filepath.Join(t.TempDir(), "files"), log: filepath.Join(t.TempDir(), "log"), proxies: map[string]*faultproxy.Proxy{}}
	t.Cleanup(func() {
		if log, _ := os.ReadFile(r.log); t.Failed() {
			t.Logf("the end of the log:\n%s", log[max(0, len(log)-6000):])
		}
	})
	var err error
	r.ports, err = devserver.ClaimPorts()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.ports.Close()) })
	r.startKurrentDB()
	r.startPostgres()
	r.startTemporal()
	r.listen()
	r.start()
	t.Cleanup(r.kill)
	return r
}

// listen chooses the addresses of the catalog.
func (r *rig) listen() {
	r.Helper()
	pages, ops := r.address(), r.address()
	r.url, r.ops = "http://"+pages, "http://"+ops
	r.environ = append(slices.Clip(r.environ),
		"CATALOG_FOLDER="+r.folder, "CATALOG_ADDR="+pages, "CATALOG_OPS_ADDR="+ops, "CATALOG_STOP_TIMEOUT=5s")
}

// in returns the rig for a subtest that starts no process.
func (r *rig) in(t *testing.T) *rig {
	c := *r
	c.T = t
	return &c
}

// address returns one that is reserved for what listens on it again: the catalog after it
// was killed, and a proxy that refused connections.
func (r *rig) address() string {
	r.Helper()
	port, err := r.ports.Next()
	require.NoError(r, err)
	return devserver.Loopback(port)
}

func (r *rig) proxy(name, target string) string {
	p, err := faultproxy.StartAt(r.address(), target)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, p.Close()) })
	r.proxies[name] = p
	return p.Addr()
}

func (r *rig) startKurrentDB() {
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, server.Stop(context.Background())) })
	r.eventURL = server.URL()
	config, err := kurrentdb.ParseConnectionString(server.URL())
	require.NoError(r, err)
	config.Logger = kurrentdb.NoopLogging()
	r.events, err = kurrentdb.NewClient(config)
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, r.events.Close()) })
	r.environ = append(r.environ, "KURRENTDB_ALLOW_PLAINTEXT=true",
		"KURRENTDB_URL="+strings.ReplaceAll(server.URL(), server.Addr(), r.proxy("KurrentDB", server.Addr())))
}

func (r *rig) startPostgres() {
	server, err := devserver.StartPostgres(r.Context(), devserver.PostgresOptions{Dir: r.TempDir(), Fast: true})
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, server.Stop(context.Background())) })
	r.database, err = pgxpool.New(r.Context(), server.URL)
	require.NoError(r, err)
	r.Cleanup(r.database.Close)
	settings := r.database.Config().ConnConfig
	address := devserver.Loopback(int(settings.Port))
	r.environ = append(r.environ, "POSTGRES_URL="+strings.ReplaceAll(server.URL, address, r.proxy("PostgreSQL", address)))
}

func (r *rig) startTemporal() {
	cli, err := devserver.TemporalCLI(r.Context(), "", os.Stderr)
	require.NoError(r, err)
	server, err := devserver.StartTemporal(r.Context(), devserver.TemporalOptions{CLIPath: cli, Headless: true})
	require.NoError(r, err)
	r.Cleanup(func() { require.NoError(r, server.Stop(context.Background())) })
	r.temporal, err = client.Dial(client.Options{HostPort: server.Address})
	require.NoError(r, err)
	r.Cleanup(r.temporal.Close)
	r.environ = append(r.environ, "TEMPORAL_CONFIG_FILE="+os.DevNull, "TEMPORAL_ADDRESS="+r.proxy("Temporal", server.Address))
}

// start starts the catalog, with variables that replace others.
func (r *rig) start(variables ...string) {
	r.Helper()
	process, err := devserver.Start(r.Context(), devserver.Command{
		Name: "catalog", Path: binary, Env: slices.Concat(os.Environ(), r.environ, variables), LogFile: r.log,
	})
	require.NoError(r, err)
	r.process = process
}

// kill kills the catalog, as a lost machine would.
func (r *rig) kill() {
	r.process.Signal(syscall.SIGKILL)
	<-r.process.Done()
}

// restart kills the catalog and starts it again.
func (r *rig) restart() {
	r.Helper()
	r.kill()
	r.start()
}

// awaitReady waits until the catalog handles commands.
func (r *rig) awaitReady() {
	r.Helper()
	require.Eventually(r, func() bool {
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.ops+"/readyz", http.NoBody)
		require.NoError(r, err)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false
		}
		return response.Body.Close() == nil && response.StatusCode == http.StatusOK
	}, patience, tick)
}

// make makes a video that says the text.
func (r *rig) make(text string) string {
	r.Helper()
	file := filepath.Join(r.TempDir(), "made.mp4")
	require.NoError(r, sample.Make(r.Context(), file, text))
	return file
}

// upload uploads a file and returns the video's id.
func (r *rig) upload(file string) string {
	r.Helper()
	r.awaitReady()
	id, err := sample.Upload(r.Context(), r.url, "A video", file)
	require.NoError(r, err)
	return id
}

// awaitEnd waits until a video has ended, and returns what the catalog shows of it.
func (r *rig) awaitEnd(id string) sample.Video {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	v, err := sample.Await(ctx, r.url, id)
	require.NoError(r, err)
	return v
}

// types returns the types of a video's events.
func (r *rig) types(id string) (types []string) {
	r.Helper()
	stream, err := r.events.ReadStream(r.Context(), video.Stream(id), kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 100)
	require.NoError(r, err)
	defer stream.Close()
	for {
		event, err := stream.Recv()
		if err != nil {
			return types
		}
		types = append(types, event.OriginalEvent().EventType)
	}
}

// awaitEvent waits until a video's stream has an event.
func (r *rig) awaitEvent(id, eventType string) {
	r.Helper()
	require.Eventually(r, func() bool { return slices.Contains(r.types(id), eventType) }, patience, tick)
}

// awaitTemporary waits until a step has written something.
func (r *rig) awaitTemporary(pattern string) {
	r.Helper()
	require.Eventually(r, func() bool {
		found, err := filepath.Glob(filepath.Join(r.folder, "tmp", pattern))
		require.NoError(r, err)
		return slices.ContainsFunc(found, func(name string) bool {
			info, err := os.Stat(name)
			return err == nil && info.Size() > 0
		})
	}, patience, tick/5)
}
