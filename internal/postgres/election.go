package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Lock is an advisory lock that one process holds at a time, for as long as its
// connection lasts. It elects who should work; it does not exclude others: a process that
// was paused may wrongly believe that it holds the lock, so its writes need a guard of
// their own.
type Lock struct {
	conn    *pgxpool.Conn
	timeout time.Duration
}

// tryLock takes an advisory lock that lasts as long as the session. A session must not
// repeat it: it would hold the lock twice.
const tryLock = `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`

// TryLock takes the lock of a name. It returns nil if another process holds it.
func (p *Pool) TryLock(ctx context.Context, name string) (*Lock, error) {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	conn, err := p.db.Acquire(ctx)
	if err != nil {
		return nil, describe("take lock", err)
	}
	var held bool
	err = conn.QueryRow(ctx, tryLock, "orderflow "+name).Scan(&held)
	if err != nil || !held {
		conn.Release()
		return nil, describe("take lock", err)
	}
	return &Lock{conn: conn, timeout: p.config.CallTimeout}, nil
}

// Check returns an error if the lock is no longer known to be held.
func (l *Lock) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	_, err := l.conn.Exec(ctx, `SELECT 1`)
	return describe("check lock", err)
}

// Release releases the lock by closing its connection: the pool must not hand the
// connection to another caller while it holds the lock.
func (l *Lock) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Conn().Close(ctx)
	l.conn.Release()
}

// holdLease takes a lease that has no holder or has expired, and renews that of its
// holder. It returns no row if another holder has it. Repeated by its holder, it renews.
// A lease is timed by the database's clock: by clock_timestamp, not now, because a
// statement may wait for that of another holder.
const holdLease = `
INSERT INTO orderflow_lease AS lease (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
RETURNING true`

// releaseLease ends a lease, if this holder has it. Repeated, it ends it again, unless
// another holder has taken it.
const releaseLease = `UPDATE orderflow_lease SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2`

// HoldLease takes or renews the lease of a name for the given time, and reports whether
// this holder has it. The holder may rely on it for that time from before the call, by
// its own monotonic clock, and no longer.
//
// A lease elects who should work; it does not exclude others. After a failover that lost
// the last renewal there can be two holders until each has called again.
func (p *Pool) HoldLease(ctx context.Context, name, holder string, life time.Duration) (held bool, err error) {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	err = p.db.QueryRow(ctx, holdLease, name, holder, life).Scan(&held)
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil // another holder has it
	}
	return held, describe("hold lease", err)
}

// ReleaseLease ends the lease, if this holder has it, so that another holder need not
// wait for it to expire.
func (p *Pool) ReleaseLease(ctx context.Context, name, holder string) error {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	_, err := p.db.Exec(ctx, releaseLease, name, holder)
	return describe("release lease", err)
}
