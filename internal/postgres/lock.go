package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Lock is an advisory lock that one process holds at a time, for as long as its connection lasts. It says who should work,
// and not who may: a process that was paused can believe itself its holder, so what it writes needs a guard of its own.
type Lock struct {
	conn    *pgxpool.Conn
	timeout time.Duration
}

// TryLock takes the lock of a name, or answers nil when another process holds it.
func (s *Store) TryLock(ctx context.Context, name string) (*Lock, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	conn, err := s.pool.Acquire(ctx)
	if err != nil {
		return nil, describe("take the lock", err)
	}
	var ours bool
	err = conn.QueryRow(ctx, `SELECT pg_try_advisory_lock(hashtextextended($1, 0))`, "orderflow "+name).Scan(&ours)
	if err != nil || !ours {
		conn.Release()
		return nil, describe("take the lock", err)
	}
	return &Lock{conn: conn, timeout: s.config.CallTimeout}, nil
}

// Check errs when the lock is no longer known to be held.
func (l *Lock) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	_, err := l.conn.Exec(ctx, `SELECT 1`)
	return describe("check the lock", err)
}

// Release gives the lock back by ending its connection: whoever gets it from the pool next must not hold it.
func (l *Lock) Release() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Conn().Close(ctx)
	l.conn.Release()
}
