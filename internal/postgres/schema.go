package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/ops"
)

// versionTable holds one number: how many migrations have run.
const versionTable = "public.orderflow_schema_version"

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations returns the names of the migrations in the order in which they run.
func migrations() ([]string, error) { return fs.Glob(migrationFiles, "migrations/*.sql") }

// CheckSchema returns ErrSchemaOutdated if migrations of this binary have not run.
func (p *Pool) CheckSchema(ctx context.Context) error {
	ctx, cancel := p.withDeadline(ctx)
	defer cancel()
	names, err := migrations()
	if err != nil {
		return err
	}
	version, err := schemaVersion(ctx, p.db)
	if err != nil && !isUndefinedTable(err) { // before the first migration, the version is 0
		return describe("check schema", err)
	}
	if version < len(names) {
		return fmt.Errorf("%w: it is at version %d, this binary needs %d: run `orderflow migrate`",
			ErrSchemaOutdated, version, len(names))
	}
	return nil
}

// AwaitSchema waits until the database responds, and returns nil if its schema is current.
// It returns ErrSchemaOutdated without waiting for a migration, and an error if ctx ends
// first.
func (p *Pool) AwaitSchema(ctx context.Context, life *ops.Life) error {
	return life.Await(ctx, "postgres", p.CheckSchema, func(err error) bool { return errors.Is(err, ErrUnavailable) })
}

// schemaVersion returns how many migrations have run.
func schemaVersion(ctx context.Context, db interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}) (version int, err error) {
	err = db.QueryRow(ctx, "SELECT version FROM "+versionTable).Scan(&version)
	return version, err
}

func isUndefinedTable(err error) bool {
	const undefinedTable = "42P01"
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == undefinedTable
}
