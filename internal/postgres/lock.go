package postgres

import (
	"context"
	"time"

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

// TryLock takes the lock of a name. It returns nil if another process holds it.
func (p *Pool) TryLock(ctx context.Context, name string) (*Lock, error) {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	conn, err := p.db.Acquire(ctx)
	if err != nil {
		return nil, describe("take lock", err)
	}
	var held bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, "orderflow "+name).Scan(&held)
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
