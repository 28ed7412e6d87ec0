package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/failpoint"
)

// defaultCallTimeout is Config.CallTimeout if it is 0.
const defaultCallTimeout = 10 * time.Second

// Config says how to reach the database.
type Config struct {
	URL             string               // postgres://user:password@host:port/database?sslmode=verify-full
	URLFile         string               // the file that URL was read from, if any: read again for each connection
	MaxConns        int32                // size of the pool: as many as there are concurrent activities; 0: the driver's default
	ApplicationName string               // shown by pg_stat_activity
	OwnSessions     bool                 // connections keep state between transactions, such as a lock, so poolers are refused
	CallTimeout     time.Duration        // bounds every call, including the wait for a connection; 0: 10s
	Logger          *slog.Logger         // nil: no logging
	TracerProvider  trace.TracerProvider // of statements within a span; nil: no tracing
}

func (c Config) withDefaults() Config {
	if c.CallTimeout <= 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Pool is the connections to one database. Every other type of this package reads and
// writes through one. It bounds each call, prepares each session, and repeats a
// transaction that was aborted in favor of another. It also checks the schema and elects
// one of several processes. It is safe for concurrent use.
type Pool struct {
	db     *pgxpool.Pool
	config Config
	renew  *credentials
	reads  bool // the URL prefers read-only servers

	conflicts atomic.Int64 // transactions that were repeated after one
}

// Open returns a pool without connecting, so the database may be down. Any error is a
// *config.Error.
func Open(ctx context.Context, c Config) (*Pool, error) {
	c = c.withDefaults()
	settings, renew, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	db, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, config.Invalid("POSTGRES_URL", "has pool settings that cannot be used")
	}
	return &Pool{db: db, config: c, renew: renew, reads: prefersReadOnly(c.URL)}, nil
}

// Close waits for calls in progress and closes the connections.
func (p *Pool) Close() { p.db.Close() }

// Ping returns ErrUnavailable if the database does not respond, or is read-only. A
// read-only server is accepted if the URL asks for one.
func (p *Pool) Ping(ctx context.Context) error {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	conn, err := p.db.Acquire(ctx)
	if err != nil {
		return describe("ping", err)
	}
	defer conn.Release()
	var readOnly string
	if err := conn.QueryRow(ctx, `SHOW transaction_read_only`).Scan(&readOnly); err != nil {
		return describe("ping", err)
	}
	if readOnly != "on" || p.reads {
		return nil
	}
	_ = conn.Conn().Close(ctx) // the next connection may reach a server that takes writes
	return &Error{Op: "ping", Code: "the server is read-only", kind: ErrUnavailable}
}

// poolConfig sets what the URL leaves open. The server gets the same time limit as this
// process, so that it ends what this process gave up or forgot.
func poolConfig(c Config) (*pgxpool.Config, *credentials, error) {
	settings, err := parseURL(c.URL)
	if err != nil {
		return nil, nil, err
	}
	renew := newCredentials(c, settings.ConnConfig)
	if c.MaxConns > 0 {
		settings.MaxConns = c.MaxConns
	}
	settings.MaxConnLifetime = 30 * time.Minute // bounds how long connections stay on the old server after a failover
	settings.MaxConnLifetimeJitter = 5 * time.Minute
	settings.PingTimeout = c.CallTimeout
	limitConnecting(settings.ConnConfig, c.CallTimeout)
	session := newSession(settings.ConnConfig, c.ApplicationName, c.OwnSessions, c.CallTimeout)
	timeout := strconv.FormatInt(c.CallTimeout.Milliseconds(), 10)
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		session.set(settings.ConnConfig, name, timeout)
	}
	settings.BeforeConnect = func(ctx context.Context, conn *pgx.ConnConfig) error {
		renew.apply(conn)
		return session.chooseQueryMode(ctx, conn)
	}
	settings.AfterConnect = session.prepare
	if c.TracerProvider != nil {
		settings.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(c.TracerProvider),
			otelpgx.WithMeterProvider(noop.NewMeterProvider()), otelpgx.WithDisableConnectionDetailsInAttributes())
	}
	if _, plain := remoteTLS(settings.ConnConfig); plain {
		c.Logger.Warn("the connection to postgres is unencrypted: set sslmode=verify-full")
	}
	return settings, renew, nil
}

// withDeadline bounds a call. The caller must call the returned function when it is done.
func (p *Pool) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, p.config.CallTimeout)
}

// conflictRetries is how often a transaction that was aborted in favor of another is
// repeated before the error is returned.
const conflictRetries = 4

// conflictBackoff is the backoff between those attempts.
var conflictBackoff = backoff.Exponential{Min: 25 * time.Millisecond, Max: 100 * time.Millisecond}

// transact sends the statements of a batch together. They are one transaction, because
// nothing between them ends it. The connection returns to the pool during the pause
// before a retry.
func (p *Pool) transact(ctx context.Context, op string, statements func(*pgx.Batch)) error {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	for attempt := 1; ; attempt++ {
		var batch pgx.Batch
		statements(&batch)
		results := p.db.SendBatch(ctx, &batch)
		failpoint.Hit("worker.transaction.sent")
		err := results.Close()
		if !isConflict(err) || attempt > conflictRetries {
			return describe(op, err)
		}
		p.conflicts.Add(1)
		if ended := conflictBackoff.Wait(ctx, attempt-1); ended != nil {
			return describe(op, fmt.Errorf("%w: %w", ended, err))
		}
	}
}
