package devserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// PgBouncerOptions configure a private PgBouncer and the server that it pools.
type PgBouncerOptions struct {
	Dir      string            // folder for its settings and log
	Upstream string            // URL of the PostgreSQL server, with user and password
	Settings map[string]string // of its section [pgbouncer]; they override the defaults
}

// PgBouncer is a running private PgBouncer in transaction mode. Only the upstream's user
// can connect.
type PgBouncer struct {
	URL     string // of the upstream's database, through the pooler
	process *Process
}

// StartPgBouncer starts the machine's PgBouncer and returns once it accepts connections.
func StartPgBouncer(ctx context.Context, o PgBouncerOptions) (*PgBouncer, error) {
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/pgbouncer") // Debian's location, which is not on every user's PATH
	}
	if err != nil {
		return nil, errors.New("no pgbouncer on this machine: install the package pgbouncer")
	}
	upstream, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, errors.New("the upstream's URL is malformed") // the parser's own error would repeat the URL
	}
	as, err := unprivileged(ctx, Command{Name: "pgbouncer", Path: path, Args: []string{"--version"}}, rootAccounts())
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	file, err := o.write(upstream, port, as)
	if err != nil {
		return nil, fmt.Errorf("start pgbouncer: %w", err)
	}
	log := filepath.Join(o.Dir, "pgbouncer.log")
	process, err := Start(ctx, Command{Name: "pgbouncer", Path: path, Args: []string{file}, Dir: o.Dir, LogFile: log, as: as})
	if err != nil {
		return nil, err
	}
	pooled := *upstream
	pooled.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	b := &PgBouncer{URL: pooled.String(), process: process}
	if err := b.awaitReady(ctx, pooled.Host, log); err != nil {
		return nil, errors.Join(err, b.Stop(ctx))
	}
	return b, nil
}

// Stop ends it immediately and cuts off its clients.
func (b *PgBouncer) Stop(ctx context.Context) error {
	return b.process.Stop(ctx, syscall.SIGTERM, syscall.SIGKILL)
}

// write writes the settings and the list of users, and returns the name of the settings
// file.
func (o PgBouncerOptions) write(upstream *url.URL, port int, as account) (string, error) {
	password, _ := upstream.User.Password()
	users := filepath.Join(o.Dir, "users.txt")
	settings := map[string]string{
		"listen_addr": "127.0.0.1", "listen_port": strconv.Itoa(port), "unix_socket_dir": "", "auth_type": "trust",
		"auth_file": users, "pool_mode": "transaction",
	}
	maps.Copy(settings, o.Settings)
	var text strings.Builder
	fmt.Fprintf(&text, "[databases]\n* = host=%s port=%s\n[pgbouncer]\n", upstream.Hostname(), upstream.Port())
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&text, "%s = %s\n", name, settings[name])
	}
	file := filepath.Join(o.Dir, "pgbouncer.ini")
	for path, body := range map[string]string{
		users: fmt.Sprintf("%q %q\n", upstream.User.Username(), password), file: text.String(),
	} {
		if err := errors.Join(os.WriteFile(path, []byte(body), 0o600), as.own(path)); err != nil {
			return "", err
		}
	}
	return file, as.own(o.Dir)
}

// awaitReady waits until the process accepts connections.
func (b *PgBouncer) awaitReady(ctx context.Context, address, log string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-b.process.Done():
			return fmt.Errorf("start pgbouncer: it ended: %w%s", describeEnd(b.process.Err()), logTail(log))
		case <-ctx.Done():
			return fmt.Errorf("start pgbouncer: not ready: %w", context.Cause(ctx))
		}
	}
}
