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

// PostgresUser and PostgresDatabase are the user and the database of a private cluster.
// The user is its superuser.
const (
	PostgresUser     = "orderflow"
	PostgresDatabase = "orderflow"
)

// postgresStartTimeout limits a start whose context has no deadline: crash recovery after
// a kill takes longest.
const postgresStartTimeout = 2 * time.Minute

// PostgresOptions configure a private PostgreSQL cluster.
type PostgresOptions struct {
	Dir      string            // folder for data, password and lock; created if missing
	Port     int               // on 127.0.0.1; 0 means a free one
	LogFile  string            // the server's log, appended to; empty means postgres.log in Dir
	Fast     bool              // no fsync: for tests, whose data may be lost with the machine
	TLS      bool              // accept no client without TLS; the URL then verifies a certificate in Dir
	Settings map[string]string // further server settings by name; they override the defaults

	// StandbyOf is the URL of a running server, or of a proxy in front of it. A new
	// cluster is then copied from that server and follows it as a hot standby until
	// Promote. If it is empty, a new cluster is independent.
	StandbyOf string

	BinDir   string    // where to look for initdb and postgres; empty means PATH and the usual places
	CacheDir string    // keeps fetched programs; empty means the user's cache folder
	FetchURL string    // the Maven repository to fetch programs from; empty means the public one
	Progress io.Writer // receives a line about each slow step; nil discards them

	accounts []account // accounts that root may run it as, best first; nil means whatever this machine permits
}

// Postgres is a running private cluster: TCP on the loopback interface only, a generated
// password, logical replication enabled.
type Postgres struct {
	URL string // with user, password and database
	PID int

	process *Process
	cluster *cluster
}

// StartPostgres starts the cluster in o.Dir, creates it first if there is none, and
// returns once it accepts connections. An existing cluster keeps its data, also after a
// kill. It is an error if it is already running.
//
// PostgreSQL refuses to run as root. For root it runs in a user namespace or, where that
// is not permitted, as another user of the machine, who becomes the owner of the data
// folder.
func StartPostgres(ctx context.Context, o PostgresOptions) (*Postgres, error) {
	ctx, cancel := context.WithTimeout(ctx, postgresStartTimeout)
	defer cancel()
	if o.Port != 0 {
		if err := requireFree(o.Port); err != nil { // checked before a cluster is created in vain
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
			return pg, err // another attempt helps only if another process took the port
		}
	}
}

// Stop ends the server: it cuts off sessions and writes everything out. If the context
// ends first, the server ends immediately and recovers on its next start.
func (p *Postgres) Stop(ctx context.Context) error {
	return p.process.Stop(ctx, syscall.SIGINT, syscall.SIGQUIT)
}

// Promote ends a standby's recovery and returns once the server accepts writes, on a new
// timeline. Data that the standby had not received by then is lost.
func (p *Postgres) Promote(ctx context.Context) error {
	c := p.cluster
	seconds := strconv.Itoa(int(postgresStartTimeout.Seconds()))
	return run(ctx, Command{
		Name: "pg_ctl promote", Path: c.bin.control(), Args: []string{"promote", "-w", "-t", seconds, "-D", c.data()},
		Env: serverEnvironment(), Dir: c.options.Dir, LogFile: c.log(), as: c.as,
	})
}

// Done returns a channel that is closed when the server has ended, whether or not it was
// stopped.
func (p *Postgres) Done() <-chan struct{} { return p.process.Done() }

// Err waits for the server's end and returns how it ended. It returns nil after an
// orderly stop.
func (p *Postgres) Err() error { return p.process.Err() }

// Signal sends a signal to the server, not to its children. It does nothing if the server
// has ended.
func (p *Postgres) Signal(s syscall.Signal) { p.process.Signal(s) }

// start runs the server of a cluster that exists and is locked.
func (c *cluster) start(ctx context.Context, port int) (*Postgres, error) {
	settings := defaultSettings(c.options, port)
	if c.options.TLS {
		secure, err := c.secure()
		if err != nil {
			return nil, fmt.Errorf("start postgres: %w", err)
		}
		maps.Copy(settings, secure)
	}
	maps.Copy(settings, c.options.Settings)
	process, err := Start(ctx, Command{
		Name:    "postgres",
		Path:    c.bin.postgres(),
		Args:    append([]string{"-D", c.data()}, settingArgs(settings)...),
		Env:     serverEnvironment(),
		Dir:     c.options.Dir,
		LogFile: c.log(),
		// Immediately, yet without leaving its own children behind: the next start
		// recovers.
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
		Host: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Path: "/" + PostgresDatabase, RawQuery: c.sslMode().Encode(),
	}
	return &Postgres{URL: address.String(), PID: process.PID, process: process, cluster: c}, nil
}

func defaultSettings(o PostgresOptions, port int) map[string]string {
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
	return settings
}

// settingArgs passes the server's settings on the command line, so that an existing
// cluster always gets the current ones.
func settingArgs(settings map[string]string) []string {
	var args []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// awaitReady waits until the server accepts connections. It reads the server's own pid
// file, as pg_ctl does. The process id in it distinguishes this server from another, and
// its last line holds the server's state, which is not localized.
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
			return fmt.Errorf("start postgres: it ended: %w%s", describeEnd(process.Err()), logTail(c.log()))
		case <-ctx.Done():
			stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			return errors.Join(fmt.Errorf("start postgres: not ready: %w", context.Cause(ctx)),
				process.Stop(stopping, syscall.SIGINT, syscall.SIGQUIT))
		}
	}
}

// describeEnd returns a non-nil error for a server that exited cleanly although it was
// not stopped.
func describeEnd(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// serverEnvironment keeps the variables that a program needs to run and drops those that
// would change the server, such as PGPORT. A fixed locale keeps its messages readable,
// and macOS requires one to be named.
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
