package upgrade_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/opstest"
	"orderflow/dev/programs"
	"orderflow/dev/sessim"
	"orderflow/dev/startertest"
	"orderflow/workflows"
)

// patience is how long anything may take on a busy machine.
const patience = 4 * time.Minute

// The builds, by the names that the page uses for them.
const (
	oldBuild = "v0.2.0"
	newBuild = "v0.3.0"
)

var servers devservertest.Servers

func TestMain(m *testing.M) { servers.Main(m) }

// upgradeRig is the servers, a starter, and two builds of the programs that contain
// workflow code.
type upgradeRig struct {
	t        *testing.T
	temporal client.Client
	starter  *startertest.Starter
	proxy    *faultproxy.Proxy // between the old build and KurrentDB
	environ  programs.Environment
	page     string
}

func newUpgradeRig(t *testing.T) *upgradeRig {
	t.Helper()
	r := &upgradeRig{t: t, environ: programs.EnvironmentOf(os.Environ())}
	page, err := os.ReadFile("../../docs/upgrades.md")
	require.NoError(t, err)
	r.page = string(page)
	r.build(oldBuild, nil, "./worker", "./orderflow", "./starter")
	r.build(newBuild, map[string]string{
		"workflows/settlement.go": changedSettlement(t), "workflows/order_fulfillment.go": changedFulfillment(t),
	}, "./worker", "./orderflow")

	temporal := r.startTemporal()
	events, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, events.Stop(context.Background())) })
	emails, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, emails.Stop(context.Background())) })
	address, err := url.Parse(events.URL())
	require.NoError(t, err)
	r.proxy, err = faultproxy.StartAt(devservertest.Address(t), address.Host)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.proxy.Close()) })
	r.environ.LeadTo(programs.Servers{
		KurrentDB: events.URL(), Temporal: temporal, Postgres: servers.Database(t), SES: emails.URL(),
	})
	r.temporal, err = client.DialContext(t.Context(), client.Options{HostPort: temporal, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(r.temporal.Close)
	r.starter = startertest.New(t, r.program(oldBuild, "starter"), events.URL(), r.environ.Environ()...)
	r.starter.Run()
	r.starter.AwaitReady()
	return r
}

// startTemporal starts a server that notices soon that a version has drained.
func (r *upgradeRig) startTemporal() (address string) {
	r.t.Helper()
	cli, err := devserver.TemporalCLI(r.t.Context(), "", os.Stderr)
	require.NoError(r.t, err)
	r.environ["PATH"] = filepath.Dir(cli) + string(filepath.ListSeparator) + r.environ["PATH"]
	server, err := devserver.StartTemporal(r.t.Context(), devserver.TemporalOptions{
		CLIPath: cli, Headless: true, SearchAttributes: workflows.SearchAttributes(),
		DynamicConfig: map[string]string{
			"matching.wv.VersionDrainageStatusVisibilityGracePeriod": `"5s"`, "matching.wv.VersionDrainageStatusRefreshInterval": `"1s"`,
		},
	})
	require.NoError(r.t, err)
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Stop(ctx) // it may have to be killed
	})
	return server.Address
}

// changedSettlement returns the source of OrderSettlement with another first command. A
// settlement that began on one build cannot continue on the other.
func changedSettlement(t *testing.T) string {
	t.Helper()
	const before = "	steps.resumePublished(ctx)\n"
	return changedSource(t, "settlement.go", before, before+
		"	if err := workflow.UpsertMemo(ctx, map[string]any{\"changed\": true}); err != nil {\n		return nil, err\n	}\n")
}

// decidingCustomer is the customer of orders that record the change of the new build.
const decidingCustomer = "customer-of-a-change"

// changedFulfillment returns the source of OrderFulfillment with a decision that the old
// build does not know, for the orders of one customer. It leads to a command, because the
// SDK skips the record of a decision alone that it does not know.
func changedFulfillment(t *testing.T) string {
	t.Helper()
	const before = "	return o.shipParcels(ctx)\n"
	return changedSource(t, "order_fulfillment.go", before, "	if o.in.CustomerID == \""+decidingCustomer+"\" {\n"+
		"		workflow.GetVersion(ctx, \"reserve-in-parallel\", workflow.DefaultVersion, 1)\n"+
		"		if err := workflow.UpsertMemo(ctx, map[string]any{\"changed\": true}); err != nil {\n			return err\n		}\n	}\n"+before)
}

// changedSource returns a file of the workflows with a text replaced that it has once.
func changedSource(t *testing.T, name, before, after string) string {
	t.Helper()
	source, err := os.ReadFile("../../workflows/" + name)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(source), before))
	return strings.Replace(string(source), before, after, 1)
}

// build builds programs as a version, with other contents in place of some source files.
func (r *upgradeRig) build(version string, overlay map[string]string, packages ...string) {
	r.t.Helper()
	root, err := filepath.Abs("../..")
	require.NoError(r.t, err)
	dir := filepath.Join(servers.Dir(), version)
	require.NoError(r.t, os.MkdirAll(dir, 0o755))
	replace := map[string]string{}
	for name, content := range overlay {
		path := filepath.Join(dir, filepath.Base(name))
		require.NoError(r.t, os.WriteFile(path, []byte(content), 0o600))
		replace[filepath.Join(root, name)] = path
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replace})
	require.NoError(r.t, err)
	overlayFile := filepath.Join(dir, "overlay.json")
	require.NoError(r.t, os.WriteFile(overlayFile, encoded, 0o600))
	args := append([]string{
		"build", "-overlay", overlayFile, "-ldflags", "-X " + module(r.t) + "/internal/version.linkedVersion=" + version, "-o", dir + "/",
	}, packages...)
	build := exec.CommandContext(r.t.Context(), "go", args...)
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(r.t, err, string(out))
}

// module returns the path of this module, which may be renamed.
func module(t *testing.T) string {
	t.Helper()
	info, ok := debug.ReadBuildInfo()
	require.True(t, ok)
	return info.Main.Path
}

func (r *upgradeRig) program(version, name string) string {
	return filepath.Join(servers.Dir(), version, name)
}

// startWorker starts a worker of a build, and returns once it polls.
func (r *upgradeRig) startWorker(version string, environ ...string) *opstest.Daemon {
	r.t.Helper()
	environ = append(r.environ.Environ(), append([]string{
		"TEMPORAL_DEPLOYMENT_NAME=orderflow", "OPS_ADDR=127.0.0.1:0", "LOG_LEVEL=info",
	}, environ...)...)
	worker := opstest.Start(r.t, func(ctx context.Context, log io.Writer) error {
		return opstest.Run(ctx, r.program(version, "worker"), environ, log)
	})
	worker.Await("/readyz", http.StatusOK)
	return worker
}

// block returns the nth block marked sh of a section of the page.
func (r *upgradeRig) block(heading string, n int) string {
	r.t.Helper()
	_, section, found := strings.Cut(r.page, "\n## "+heading+"\n")
	require.True(r.t, found, "docs/upgrades.md has no section %q", heading)
	section, _, _ = strings.Cut(section, "\n## ")
	blocks := regexp.MustCompile("(?ms)^```sh\n(.*?)^```$").FindAllStringSubmatch(section, -1)
	require.Greater(r.t, len(blocks), n, "blocks of %q", heading)
	return blocks[n][1]
}

// shell executes commands with the programs of a build. The page's variables are set.
func (r *upgradeRig) shell(version, script string) (output string, err error) {
	r.t.Helper()
	shell := exec.CommandContext(r.t.Context(), "bash", "-euo", "pipefail", "-c", r.block(variables, 0)+script)
	environ := append(r.environ.Environ(), "PATH="+filepath.Dir(r.program(version, "worker"))+string(filepath.ListSeparator)+r.environ["PATH"])
	shell.Env = environ
	out, err := shell.CombinedOutput()
	r.t.Logf("%s%s", script, out)
	return string(out), err
}

// run executes a block of the page, which must succeed.
func (r *upgradeRig) run(version, heading string, n int) string {
	r.t.Helper()
	out, err := r.shell(version, r.block(heading, n))
	require.NoError(r.t, err, out)
	return out
}

// runUntil executes a block of the page until it succeeds with an output that matches.
func (r *upgradeRig) runUntil(version, heading string, n int, want string) {
	r.t.Helper()
	script := r.block(heading, n)
	require.EventuallyWithT(r.t, func(c *assert.CollectT) {
		out, err := r.shell(version, script)
		require.NoError(c, err, out)
		require.Regexp(c, want, out)
	}, patience, time.Second)
}

func (r *upgradeRig) history(id string) []*history.HistoryEvent {
	r.t.Helper()
	events, err := r.findHistory(id)
	require.NoError(r.t, err)
	return events
}

func (r *upgradeRig) findHistory(id string) (found []*history.HistoryEvent, err error) {
	events := r.temporal.GetWorkflowHistory(r.t.Context(), id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, fmt.Errorf("history of %s: %w", id, err)
		}
		found = append(found, event)
	}
	return found, nil
}

// builds returns the builds that completed a workflow's tasks, without repetitions.
func (r *upgradeRig) builds(id string) (builds []string) {
	r.t.Helper()
	for _, event := range r.history(id) {
		if done := event.GetWorkflowTaskCompletedEventAttributes(); done != nil {
			if build := done.GetDeploymentVersion().GetBuildId(); len(builds) == 0 || builds[len(builds)-1] != build {
				builds = append(builds, build)
			}
		}
	}
	return builds
}
