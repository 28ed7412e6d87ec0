package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderflow/internal/config"
	"orderflow/internal/email"
	"orderflow/internal/failpoint"
)

// The defaults of Config, in the order of its fields.
const (
	defaultCallTimeout = 10 * time.Second
	defaultGrace       = 10 * time.Minute
	defaultLease       = 2 * time.Minute
)

// Config says how to reach the database and how the send ledger treats mails whose outcome is unknown.
type Config struct {
	URL             string        // postgres://user:password@host:port/database?sslmode=verify-full
	MaxConns        int32         // size of the pool: as many as there are activities at a time; 0: the driver's default
	ApplicationName string        // shown by pg_stat_activity
	OwnSessions     bool          // connections keep state between transactions, such as a lock: poolers are refused
	CallTimeout     time.Duration // bounds every method, waiting for a connection included; 0: 10s
	Unknown         email.Policy  // empty: resend
	Grace           time.Duration // from when an outcome is known to be unknown to the one resend; 0: 10m
	Lease           time.Duration // how long a claimed send is left alone: longer than an attempt can take; 0: 2m
	Logger          *slog.Logger  // nil: no logging
}

func (c Config) withDefaults() Config {
	if c.CallTimeout <= 0 {
		c.CallTimeout = defaultCallTimeout
	}
	if c.Unknown == "" {
		c.Unknown = email.PolicyResend
	}
	if c.Grace <= 0 {
		c.Grace = defaultGrace
	}
	if c.Lease <= 0 {
		c.Lease = defaultLease
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Store is the database. Its methods may be called concurrently.
type Store struct {
	pool   *pgxpool.Pool
	config Config
	reads  bool // its URL prefers servers that take no writes
}

// Open makes a store without connecting: the database may be down now and come back. Its error is a *config.Error.
func Open(ctx context.Context, c Config) (*Store, error) {
	c = c.withDefaults()
	settings, err := poolConfig(c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, settings)
	if err != nil {
		return nil, config.Invalid("POSTGRES_URL", "has pool settings that cannot be used")
	}
	return &Store{pool: pool, config: c, reads: asksForReads(c.URL)}, nil
}

// Close waits for calls under way and closes the connections.
func (s *Store) Close() { s.pool.Close() }

// Ping returns ErrUnavailable if the database does not answer, or answers and takes no writes. The latter is no fault where
// the URL asks for a server to read from.
func (s *Store) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return describe("ping", err)
	}
	defer conn.Release()
	var readOnly string
	if err := conn.QueryRow(ctx, `SHOW transaction_read_only`).Scan(&readOnly); err != nil {
		return describe("ping", err)
	}
	if readOnly != "on" || s.reads {
		return nil
	}
	_ = conn.Conn().Close(ctx) // the next one may lead to a server that takes writes
	return &Error{Op: "ping", Code: "the server is read-only", kind: ErrUnavailable}
}

// poolConfig sets what the URL leaves open. The server ends what this process gave up or forgot: the same bound holds on
// both sides.
func poolConfig(c Config) (*pgxpool.Config, error) {
	settings, err := parseURL(c.URL)
	if err != nil {
		return nil, err
	}
	if c.MaxConns > 0 {
		settings.MaxConns = c.MaxConns
	}
	settings.MaxConnLifetime = 30 * time.Minute // after a failover nothing clings to the old server for longer
	settings.MaxConnLifetimeJitter = 5 * time.Minute
	settings.PingTimeout = c.CallTimeout
	if settings.ConnConfig.ConnectTimeout == 0 {
		settings.ConnConfig.ConnectTimeout = c.CallTimeout
	}
	session := newSession(settings.ConnConfig, c.ApplicationName, c.OwnSessions, c.CallTimeout)
	timeout := strconv.FormatInt(c.CallTimeout.Milliseconds(), 10)
	for _, name := range []string{"statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"} {
		session.set(settings.ConnConfig, name, timeout)
	}
	settings.BeforeConnect, settings.AfterConnect = session.choose, session.prepare
	if _, plain := waysAbroad(settings.ConnConfig); plain {
		c.Logger.Warn("the connection to postgres is unencrypted: set sslmode=verify-full")
	}
	return settings, nil
}

// conflictRetries is how often a transaction that lost to another one is repeated before the caller is told.
const conflictRetries = 4

// transact sends the statements of a batch together. They are one transaction, for nothing between them ends it. The
// connection goes back to the pool before a repetition waits.
func (s *Store) transact(ctx context.Context, op string, statements func(*pgx.Batch)) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		var batch pgx.Batch
		statements(&batch)
		answer := s.pool.SendBatch(ctx, &batch)
		failpoint.Hit("worker.transaction.sent")
		err := answer.Close()
		if !conflicted(err) || attempt > conflictRetries {
			return describe(op, err)
		}
		pause := time.NewTimer(time.Duration(attempt) * (5*time.Millisecond + rand.N(20*time.Millisecond)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return describe(op, fmt.Errorf("%w: %w", ctx.Err(), err))
		}
	}
}
