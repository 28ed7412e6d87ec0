package devserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// predecessorGrace is how long a server whose parent was killed may take to end before
// its cluster counts as in use.
const predecessorGrace = 10 * time.Second

// cluster is the files of one private PostgreSQL, locked for starting it.
type cluster struct {
	options  PostgresOptions
	bin      binaries
	as       account
	password string
	lock     *os.File
}

// openCluster locks the folder, finds programs and an account that fit it, and creates
// the cluster if there is none.
func openCluster(ctx context.Context, o PostgresOptions) (*cluster, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil || o.Dir == "" {
		return nil, errors.Join(errors.New("start postgres: a folder for the cluster is needed"), err)
	}
	o.Dir = dir
	c := &cluster{options: o}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if c.bin, err = findBinaries(ctx, o, majorOf(c.data())); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := c.acquire(ctx); err != nil {
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	if err := c.prepare(ctx); err != nil {
		c.unlock()
		return nil, fmt.Errorf("start postgres: %w", err)
	}
	return c, nil
}

// acquire takes the cluster's lock. The server inherits the open lock file, and its
// children inherit it from the server, so the lock is held exactly as long as any of them
// lives. A process id in a file cannot provide that, because ids are reused. The server's
// own pid file is therefore removed if the lock was free.
func (c *cluster) acquire(ctx context.Context) error {
	path := filepath.Join(c.options.Dir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	patience, cancel := context.WithTimeout(ctx, predecessorGrace)
	defer cancel()
	if err := flock(patience, file); err != nil {
		_ = file.Close()
		return fmt.Errorf("another server is running in %s: stop it first, or choose another folder: %w", c.options.Dir, err)
	}
	c.lock = file
	if err := os.Remove(c.pidFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		c.unlock()
		return err
	}
	return nil
}

func (c *cluster) unlock() { _ = c.lock.Close() }

func flock(ctx context.Context, file *os.File) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// prepare chooses the account, and creates the cluster or reads its password. A cluster
// is created under another name and renamed once it is complete, so that an interrupted
// attempt never counts.
func (c *cluster) prepare(ctx context.Context) error {
	var err error
	probe := Command{
		Name: "postgres", Path: c.bin.postgres(), Args: []string{"--version"}, Env: serverEnvironment(),
		Dir: filepath.Dir(c.options.Dir), // an account that cannot reach the folder is useless
	}
	candidates := c.options.accounts
	if candidates == nil {
		candidates = rootAccounts()
	}
	if c.as, err = unprivileged(ctx, probe, candidates); err != nil {
		return err
	}
	if err := c.as.own(c.options.Dir); err != nil {
		return err
	}
	if majorOf(c.data()) != 0 {
		c.password, err = c.readPassword()
		return err
	}
	c.options.say("making a PostgreSQL %d cluster in %s", c.bin.major, c.options.Dir)
	if c.options.StandbyOf != "" {
		return c.makeStandby(ctx)
	}
	if err := c.makeCluster(ctx); err != nil {
		return fmt.Errorf("make the database cluster: %w", err)
	}
	return nil
}

func (c *cluster) makeCluster(ctx context.Context) error {
	fresh := c.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := c.writePassword(rand.Text()); err != nil {
		return err
	}
	initdb := Command{
		Name: "initdb", Path: c.bin.initdb(), Dir: c.options.Dir, LogFile: c.log(), Env: serverEnvironment(), as: c.as,
		inherit: []*os.File{c.lock}, // processes left behind after a kill must not run alongside the next attempt
		Args: []string{
			"-D", fresh, "-U", PostgresUser, "--pwfile", c.passwordFile(), "--auth", "scram-sha-256",
			"--encoding", "UTF8", "--locale", "C", "--no-instructions",
		},
	}
	if c.options.Fast {
		initdb.Args = append(initdb.Args, "--no-sync")
	}
	if err := run(ctx, initdb); err != nil {
		return err
	}
	if err := c.makeDatabase(ctx, fresh); err != nil {
		return err
	}
	return os.Rename(fresh, c.data())
}

// makeDatabase uses the single-user mode, which needs neither a port nor a client. It
// passes the statement through a pipe.
func (c *cluster) makeDatabase(ctx context.Context, data string) error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = read.Close() }()
	_, err = io.WriteString(write, "CREATE DATABASE "+PostgresDatabase+"\n")
	if err := errors.Join(err, write.Close()); err != nil {
		return err
	}
	return run(ctx, Command{
		Name: "postgres --single", Path: c.bin.postgres(), Dir: c.options.Dir, LogFile: c.log(), Env: serverEnvironment(),
		Args: []string{"--single", "-D", data, "-c", "exit_on_error=on", "postgres"}, stdin: read, as: c.as,
		inherit: []*os.File{c.lock},
	})
}

func (c *cluster) passwordFile() string { return filepath.Join(c.options.Dir, "password") }

func (c *cluster) writePassword(password string) error {
	c.password = password
	if err := os.WriteFile(c.passwordFile(), []byte(c.password+"\n"), 0o600); err != nil {
		return err
	}
	return c.as.own(c.passwordFile())
}

func (c *cluster) readPassword() (string, error) {
	body, err := os.ReadFile(c.passwordFile())
	if err != nil {
		return "", fmt.Errorf("the cluster's password: %w", err)
	}
	return strings.TrimSpace(string(body)), nil
}

func (o PostgresOptions) say(format string, args ...any) {
	if o.Progress != nil {
		_, _ = fmt.Fprintf(o.Progress, format+"\n", args...)
	}
}
