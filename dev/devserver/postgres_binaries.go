package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	embeddedpostgres "github.com/fergusstrange/embedded-postgres"
)

// oldestMajor is the oldest supported PostgreSQL: the oldest with upstream maintenance
// when this was written.
const oldestMajor = 14

// fetchedVersion is the version fetched if the machine has no PostgreSQL.
const fetchedVersion = embeddedpostgres.V17

// errNoPostgres is the one-line error for a machine on which nothing worked.
var errNoPostgres = errors.New("no PostgreSQL found and none could be fetched: " +
	"install postgresql, or set POSTGRES_URL to a running one")

// binaries is a folder with initdb and postgres, and their major version.
type binaries struct {
	dir   string
	major int
}

func (b binaries) initdb() string     { return filepath.Join(b.dir, "initdb") }
func (b binaries) postgres() string   { return filepath.Join(b.dir, "postgres") }
func (b binaries) control() string    { return filepath.Join(b.dir, "pg_ctl") }
func (b binaries) baseBackup() string { return filepath.Join(b.dir, "pg_basebackup") }

// findBinaries looks on PATH, then in the places where packages put PostgreSQL, and
// fetches it if there is none. A cluster can be run only by the major version that
// created it: want is that version, or 0 for any.
func findBinaries(ctx context.Context, o PostgresOptions, want int) (binaries, error) {
	first, others := dirOnPath(), packagedDirs()
	if o.BinDir != "" {
		first, others = o.BinDir, nil
	}
	best, err := inspect(ctx, first)
	if err != nil || want != 0 && best.major != want {
		best = newest(ctx, others, want)
	}
	switch {
	case best.major != 0:
		return best, nil
	case ctx.Err() != nil: // the search was interrupted
		return binaries{}, fmt.Errorf("look for PostgreSQL's programs: %w", ctx.Err())
	}
	if want != 0 && !strings.HasPrefix(string(fetchedVersion), strconv.Itoa(want)+".") {
		return binaries{}, fmt.Errorf("the cluster in %s was made by PostgreSQL %d, which is not on this machine: "+
			"install it, or start over in an empty folder", o.Dir, want)
	}
	return fetchBinaries(ctx, o)
}

// newest returns the newest version among folders, or the wanted one. Its major is 0 if
// there is none.
func newest(ctx context.Context, dirs []string, want int) (best binaries) {
	for _, dir := range dirs {
		found, err := inspect(ctx, dir)
		if err == nil && found.major > best.major && (want == 0 || want == found.major) {
			best = found
		}
	}
	return best
}

// dirOnPath returns the folder that PATH leads to, with any link to a single program in
// it resolved. It returns "" if there is none.
func dirOnPath() string {
	path, err := exec.LookPath("initdb")
	if err != nil {
		return ""
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return ""
	}
	return filepath.Dir(path)
}

// packagedDirs lists the places where packages put PostgreSQL without putting it on PATH:
// Debian, Red Hat, a source build, Homebrew and the two installers for macOS.
func packagedDirs() []string {
	var dirs []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin", "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin", "/Library/PostgreSQL/*/bin",
	} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	return dirs
}

// inspect runs the programs of a folder to get their version.
func inspect(ctx context.Context, dir string) (binaries, error) {
	b := binaries{dir: dir}
	if _, err := os.Stat(b.initdb()); dir == "" || err != nil {
		return binaries{}, os.ErrNotExist
	}
	out, err := exec.CommandContext(ctx, b.postgres(), "--version").Output()
	if err != nil {
		return binaries{}, err
	}
	match := regexp.MustCompile(`PostgreSQL\)? (\d+)`).FindSubmatch(out)
	if match == nil {
		return binaries{}, fmt.Errorf("no version in %q", out)
	}
	if b.major, err = strconv.Atoi(string(match[1])); err != nil || b.major < oldestMajor {
		return binaries{}, fmt.Errorf("version %s is too old", match[1])
	}
	return b, nil
}

// majorOf returns the major version that created a cluster, or 0 if there is no cluster.
func majorOf(data string) int {
	body, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if err != nil {
		return 0
	}
	major, _ := strconv.Atoi(strings.TrimSpace(string(body)))
	return major
}

// fetchBinaries fetches and unpacks PostgreSQL once into the cache.
func fetchBinaries(ctx context.Context, o PostgresOptions) (binaries, error) {
	cache := o.CacheDir
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return binaries{}, fmt.Errorf("%w: %w", errNoPostgres, err)
		}
		cache = filepath.Join(base, "orderflow")
	}
	home := filepath.Join(cache, "postgres-"+string(fetchedVersion))
	if found, err := inspect(ctx, filepath.Join(home, "bin")); err == nil {
		return found, nil
	}
	o.say("no PostgreSQL on this machine: fetching %s, once", fetchedVersion)
	if err := unpackOnce(ctx, o, cache, home); err != nil {
		return binaries{}, fmt.Errorf("%w (%w)", errNoPostgres, err)
	}
	return inspect(ctx, filepath.Join(home, "bin"))
}

// unpackOnce makes the library fetch and unpack into a folder of this attempt, which is
// renamed once it is complete. The library takes no context and has no call that only
// fetches. Its start is therefore made to fail after unpacking, with an encoding that
// initdb rejects. It continues in the background if the caller stops waiting.
func unpackOnce(ctx context.Context, o PostgresOptions, cache, home string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return err
	}
	attempt, err := os.MkdirTemp(cache, "unpack-")
	if err != nil {
		return err
	}
	port, err := FreePort()
	if err != nil {
		return err
	}
	unpacked := filepath.Join(attempt, "postgres")
	config := embeddedpostgres.DefaultConfig().Version(fetchedVersion).Port(uint32(port)).Logger(io.Discard).
		CachePath(attempt).RuntimePath(filepath.Join(attempt, "run")).DataPath(filepath.Join(attempt, "data")).
		BinariesPath(unpacked).Encoding("none")
	if o.FetchURL != "" {
		config = config.BinaryRepositoryURL(o.FetchURL)
	}
	result := make(chan error, 1)
	go func() {
		defer func() { _ = os.RemoveAll(attempt) }()
		fetchErr := embeddedpostgres.NewDatabase(config).Start()
		if _, err := os.Stat(filepath.Join(unpacked, "bin", "initdb")); err != nil {
			result <- fetchErr
			return
		}
		result <- os.Rename(unpacked, home)
	}()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
