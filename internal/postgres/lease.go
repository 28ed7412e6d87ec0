package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// A lease is timed by the database's clock. It uses clock_timestamp, not now, because a
// statement may wait for that of another holder.
const (
	holdLease = `
INSERT INTO orderflow_lease AS lease (name, holder, expires_at) VALUES ($1, $2, clock_timestamp() + $3::interval)
ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
WHERE lease.holder = excluded.holder OR lease.expires_at <= clock_timestamp()
RETURNING true`

	releaseLease = `UPDATE orderflow_lease SET expires_at = clock_timestamp() WHERE name = $1 AND holder = $2`
)

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
