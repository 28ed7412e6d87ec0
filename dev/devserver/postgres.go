package devserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PostgresUser and PostgresDatabase are what a private cluster is made with. The user is its superuser.
const (
	PostgresUser     = "orderflow"
	PostgresDatabase = "orderflow"
)

// postgresStartTimeout bounds a start whose context has no end of its own: crash recovery after a kill takes longest.
const postgresStartTimeout = 2 * time.Minute

// PostgresOptions says where a private PostgreSQL cluster lives and how it runs.
type PostgresOptions struct {
	Dir      string            // the cluster's home: data, password and lock; made when missing
	Port     int               // on 127.0.0.1; 0: a free one
	LogFile  string            // the server's log, appended to; empty: postgres.log in Dir
	Fast     bool              // no fsync: for tests, whose data may be lost with the machine
	Settings map[string]string // further server settings by name; they win over the ones made here

	// StandbyOf is the URL of a running server, or of a proxy before it. A cluster that has to be made is copied from
	// that server and follows it as a hot standby until Promote. Empty: a cluster of its own.
	StandbyOf string

	BinDir   string    // where to look for initdb and postgres; empty: PATH and the usual places
	CacheDir string    // keeps fetched programs; empty: the user's cache folder
	FetchURL string    // the Maven repository to fetch programs from; empty: the public one
	Progress io.Writer // is told in a line what takes long; nil: nobody is

	accounts []account // whom root may run it as, best first; nil: whatever this machine permits
}

// Postgres is a running private cluster: TCP on the loopback interface alone, a generated password, logical replication
// possible.
type Postgres struct {
	URL string // with user, password and database
	PID int

	process *Process
	cluster *cluster
}

// StartPostgres starts the cluster in o.Dir, making it first when there is none, and returns when it takes connections.
// A cluster that is there goes on with what it holds, also after a kill; one that is running already is an error.
//
// PostgreSQL refuses to run as root. For root it runs in a user namespace, or where that is not permitted as another user
// of the machine, who is given the data folder.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	ctx, cancel := context.WithTimeout(ctx, postgresStartTimeout)
	defer cancel()
	if o.Port != 0 {
		if err := requireFree(o.Port); err != nil { // before a cluster is made for nothing
			return nil, fmt.Errorf("start postgres: %w", err)
		}
	}
	c, err := openCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.unlock() // the server has inherited the lock by then
	if o.Port != 0 {
		return c.start(ctx, o.Port)
	}
	for attempt := 1; ; attempt++ {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		pg, err := c.start(ctx, port)
		if err == nil || attempt == 3 || requireFree(port) == nil {
			return pg, err // only a port lost to somebody else is worth another attempt
		}
	}
}

// Stop ends the server: sessions are cut off and everything is written out; when the context ends first, it ends at once
// and recovers on its next start.
func (p *Postgres) Stop(ctx context.Context) error {
	return p.process.Stop(ctx, syscall.SIGINT, syscall.SIGQUIT)
}

// Promote ends a standby's recovery and returns when the server takes writes, on a timeline of its own. What the standby had
// not received by then is lost.
func (p *Postgres) Promote(ctx context.Context) error {
	c := p.cluster
	seconds := strconv.Itoa(int(postgresStartTimeout.Seconds()))
	return run(ctx, Command{
		Name: "pg_ctl promote", Path: c.bin.control(), Args: []string{"promote", "-w", "-t", seconds, "-D", c.data()},
		Env: serverEnvironment(), Dir: c.options.Dir, LogFile: c.log(), as: c.as,
	})
}

// Done is closed when the server has ended, asked or not.
func (p *Postgres) Done() <-chan struct{} { return p.process.Done() }

// Err says how the server ended, nil after an orderly stop. It waits for the end.
func (p *Postgres) Err() error { return p.process.Err() }

// Signal sends a signal to the server, not to its own children. A server that has ended takes none, which is no error.
func (p *Postgres) Signal(s syscall.Signal) { p.process.Signal(s) }

// start runs the server of a cluster that is made and locked.
func (c *cluster) start(ctx context.Context, port int) (*Postgres, error) {
	process, err := Start(ctx, Command{
		Name:    "postgres",
		Path:    c.bin.postgres(),
		Args:    append([]string{"-D", c.data()}, settingArgs(c.options, port)...),
		Env:     serverEnvironment(),
		Dir:     c.options.Dir,
		LogFile: c.log(),
		// At once, yet without leaving its own children behind: the next start recovers.
		Death:   syscall.SIGQUIT,
		inherit: []*os.File{c.lock},
		as:      c.as,
	})
	if err != nil {
		return nil, err
	}
	if err := c.awaitReady(ctx, process); err != nil {
		return nil, err
	}
	address := url.URL{
		Scheme: "postgres", User: url.UserPassword(PostgresUser, c.password),
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + PostgresDatabase, RawQuery: "sslmode=disable",
	}
	return &Postgres{URL: address.String(), PID: process.PID, process: process, cluster: c}, nil
}

// settingArgs gives the server's settings on the command line, so that a kept cluster always gets today's.
func settingArgs(o PostgresOptions, port int) []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(port),
		"unix_socket_directories": "",
		"wal_level":               "logical",
		"max_connections":         "200",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
		"logging_collector":       "off",
		"log_destination":         "stderr",
	}
	if o.Fast {
		settings["fsync"] = "off"
		settings["synchronous_commit"] = "off"
		settings["full_page_writes"] = "off"
	}
	maps.Copy(settings, o.Settings)
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// awaitReady waits until the server takes connections. It reads the server's own pid file, as pg_ctl does: the process
// id in it tells our server from another, and the last line holds its state in no language but the file's.
func (c *cluster) awaitReady(ctx context.Context, process *Process) error {
	const pidLine, stateLine = 0, 7
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		body, _ := os.ReadFile(c.pidFile())
		lines := strings.Split(string(body), "\n")
		if len(lines) > stateLine && lines[pidLine] == strconv.Itoa(process.PID) &&
			strings.TrimSpace(lines[stateLine]) == "ready" {
			return nil
		}
		select {
		case <-tick.C:
		case <-process.Done():
			return fmt.Errorf("start postgres: it ended: %w%s", namedEnd(process.Err()), lastWords(c.log()))
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return errors.Join(fmt.Errorf("start postgres: not ready: %w", context.Cause(ctx)),
				process.Stop(stopping, syscall.SIGINT, syscall.SIGQUIT))
		}
	}
}

// namedEnd gives a word to the end of a server that exited cleanly when nobody asked it to.
func namedEnd(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// serverEnvironment keeps what a program needs to run and drops what would change the server, such as PGPORT. A fixed
// locale keeps its messages readable, and macOS needs one named.
func serverEnvironment() []string {
	env := []string{"LC_ALL=C"}
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

func (c *cluster) data() string    { return filepath.Join(c.options.Dir, "data") }
func (c *cluster) pidFile() string { return filepath.Join(c.data(), "postmaster.pid") }

func (c *cluster) log() string {
	if c.options.LogFile != "" {
		return c.options.LogFile
	}
	return filepath.Join(c.options.Dir, "postgres.log")
}
