package devserver

import (
	"bufio"
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// temporalModule is the module of the Temporal CLI, whose version is in dev/tools/go.mod.
const temporalModule = "github.com/temporalio/cli"

// TemporalCLI returns the path of a `temporal` program that has the development server.
// It uses the one on PATH, or else binDir/temporal, which it builds from dev/tools if it
// does not exist or if the version in dev/tools has changed. An empty binDir means
// .local/bin of the checkout. Slow steps are reported to progress; nil discards them.
//
// Any number of processes may call it concurrently: one builds, and none sees an
// incomplete program.
func TemporalCLI(ctx context.Context, binDir string, progress io.Writer) (string, error) {
	return temporalCLI(ctx, binDir, progress, nil)
}

// TemporalCLIOrDownload is like TemporalCLI, but before it builds the program, it tries
// the download of Temporal's SDK, which is faster. It is for people's first run: tests
// build, because their result and duration must not depend on a server on the internet.
func TemporalCLIOrDownload(ctx context.Context, binDir string, progress io.Writer) (string, error) {
	return temporalCLI(ctx, binDir, progress, sdkDownload())
}

// temporalCLI finds or makes the program. A nil download means that it is built.
func temporalCLI(ctx context.Context, binDir string, progress io.Writer, download *cliDownload) (string, error) {
	if path, err := exec.LookPath("temporal"); err == nil && hasDevServer(ctx, path) {
		return filepath.Abs(path)
	}
	b, err := newCLIBuild(binDir, progress)
	if errors.Is(err, errNoCheckout) && binDir != "" {
		// Binaries that were copied elsewhere may have been copied together with the
		// program.
		if path := filepath.Join(binDir, "temporal"); hasDevServer(ctx, path) {
			return filepath.Abs(path)
		}
	}
	if err != nil {
		return "", fmt.Errorf("find the temporal CLI: %w", err)
	}
	b.download = download
	if b.current() {
		return b.path(), nil
	}
	if err := b.run(ctx); err != nil {
		return "", fmt.Errorf("build the temporal CLI: %w", err)
	}
	return b.path(), nil
}

// hasDevServer distinguishes the CLI from older programs of the same name.
func hasDevServer(ctx context.Context, path string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	help, err := exec.CommandContext(ctx, path, "server", "start-dev", "--help").Output()
	return err == nil && bytes.Contains(help, []byte("--sqlite-pragma"))
}

// cliBuild builds the CLI from the module in tools into bin.
type cliBuild struct {
	tools, bin      string
	module, version string // of the CLI
	progress        io.Writer
	download        *cliDownload // tried first; nil means that the program is built
}

func newCLIBuild(binDir string, progress io.Writer) (cliBuild, error) {
	root, err := checkout()
	if err != nil {
		return cliBuild{}, err
	}
	if binDir == "" {
		binDir = filepath.Join(root, ".local", "bin")
	}
	bin, err := filepath.Abs(binDir)
	if err != nil {
		return cliBuild{}, err
	}
	if progress == nil {
		progress = io.Discard
	}
	b := cliBuild{tools: filepath.Join(root, "dev", "tools"), bin: bin, module: temporalModule, progress: progress}
	b.version, err = requiredVersion(filepath.Join(b.tools, "go.mod"), b.module)
	return b, err
}

var errNoCheckout = errors.New("no temporal program on PATH, and no checkout here to build it from: install the Temporal CLI")

// checkout returns the source tree around the working folder, where tests run, or around
// this program, for a binary in .local/bin.
func checkout() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if program, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(program))
	}
	for _, dir := range starts {
		for {
			if _, err := os.Stat(filepath.Join(dir, "dev", "tools", "go.mod")); err == nil {
				return dir, nil
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", errNoCheckout
}

// requiredVersion returns the version of a module in a go.mod file.
func requiredVersion(goMod, module string) (string, error) {
	file, err := os.Open(goMod)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(strings.TrimPrefix(lines.Text(), "require "))
		if len(fields) >= 2 && fields[0] == module {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", goMod, module)
}

func (b cliBuild) path() string { return filepath.Join(b.bin, "temporal") }

// current reports whether the program is of the wanted version. It reads the version from
// a program that was built, and from the name of one that was downloaded.
func (b cliBuild) current() bool {
	if target, err := os.Readlink(b.path()); err == nil && target == filepath.Base(downloaded(b.version, b.bin)) {
		_, err := os.Stat(b.path())
		return err == nil
	}
	info, err := buildinfo.ReadFile(b.path())
	return err == nil && info.Main.Path == b.module && info.Main.Version == b.version
}

// run downloads or builds under a lock, which is released when the process that holds it ends.
func (b cliBuild) run(ctx context.Context) error {
	if err := os.MkdirAll(b.bin, 0o755); err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(b.bin, ".temporal.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	if err := flock(ctx, lock); err != nil {
		return err
	}
	if b.current() { // the previous holder of the lock has built it
		return nil
	}
	if b.download != nil {
		b.say("downloading the Temporal CLI %s into %s, once: a minute or two, or nothing after %s without a network",
			b.version, b.bin, b.download.probeLimit)
		path, err := b.download.run(ctx, b.version, b.bin)
		if err == nil {
			return link(path, b.path())
		}
		b.say("the Temporal CLI cannot be downloaded, so it is built: %s", err)
	}
	return b.build(ctx)
}

// build builds under another name and renames the program once it is complete. A build
// that is stopped leaves only that other file, which the next build overwrites.
func (b cliBuild) build(ctx context.Context) error {
	goProgram, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("neither temporal nor go is on PATH: install the Temporal CLI or Go: %w", err)
	}
	b.say("building the Temporal CLI %s into %s: about three minutes, once", b.version, b.bin)
	began := time.Now()
	fresh := filepath.Join(b.bin, ".temporal.new")
	log := filepath.Join(b.bin, ".temporal-build.log")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		b.watch(watch, log)
	}()
	err = run(ctx, Command{
		Name: "go build", Path: goProgram, Dir: b.tools, LogFile: log, Env: append(os.Environ(), "GOWORK=off"),
		Args: []string{"build", "-v", "-o", fresh, b.module + "/cmd/temporal"},
	})
	stop()
	<-watched
	if err != nil {
		return err
	}
	b.say("built the Temporal CLI in %s", time.Since(began).Round(time.Second))
	return os.Rename(fresh, b.path())
}

// watch reports the progress of the build now and then: it counts the packages named in
// the build's log.
func (b cliBuild) watch(ctx context.Context, log string) {
	began := time.Now()
	tick := time.NewTicker(15 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			body, _ := os.ReadFile(log)
			b.say("building the Temporal CLI: %d packages after %s", bytes.Count(body, []byte("\n")),
				time.Since(began).Round(time.Second))
		case <-ctx.Done():
			return
		}
	}
}

func (b cliBuild) say(format string, args ...any) {
	_, _ = fmt.Fprintf(b.progress, format+"\n", args...)
}
