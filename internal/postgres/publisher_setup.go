package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ErrMayNotGrant means that the connected role may not create roles that replicate, or
// grant rights on the tables.
var ErrMayNotGrant = errors.New("this role may not do that: connect as a superuser")

// PrepareRole grants a role what the publisher needs: LOGIN, REPLICATION and the
// rights on its tables. It creates a role that is missing, without a password, and
// returns what it did, one line per step. It may be repeated.
func (p *Publication) PrepareRole(ctx context.Context, role string) (did []string, err error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	err = pgx.BeginFunc(ctx, p.pool.db, func(tx pgx.Tx) error {
		step, err := ensureRole(ctx, tx, role)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT orderflow_grant_publisher($1::name)`, role)
		did = []string{
			fmt.Sprintf("role %s: %s", role, step),
			fmt.Sprintf("role %s: may read and prune the history and write the publisher's own tables", role),
		}
		return err
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return nil, fmt.Errorf("prepare role: %w", ErrMayNotGrant)
	}
	if err != nil {
		return nil, describe("prepare role", err)
	}
	return did, nil
}

func ensureRole(ctx context.Context, tx pgx.Tx, role string) (did string, err error) {
	var replicates bool
	name := pgx.Identifier{role}.Sanitize()
	err = tx.QueryRow(ctx, `SELECT rolreplication OR rolsuper FROM pg_roles WHERE rolname = $1`, role).Scan(&replicates)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		_, err = tx.Exec(ctx, `CREATE ROLE `+name+` LOGIN REPLICATION`)
		return "made; it may log in and replicate, and has no password yet", err
	case err != nil:
		return "", err
	case !replicates:
		_, err = tx.Exec(ctx, `ALTER ROLE `+name+` REPLICATION`)
		return "may replicate now", err
	default:
		return "may replicate already", nil
	}
}
