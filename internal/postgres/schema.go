package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/backoff"
	"orderflow/internal/ops"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// The table orderflow_schema_version holds one number: how many migrations have run.
const (
	selectVersion = `SELECT version FROM public.orderflow_schema_version`

	// createVersion is two statements. It runs under the lock, and only if there is no
	// table.
	createVersion = `
CREATE TABLE public.orderflow_schema_version (version integer NOT NULL);
INSERT INTO public.orderflow_schema_version VALUES (0)`

	// setVersion is in the transaction of its migration, so neither is done without the
	// other.
	setVersion = `UPDATE public.orderflow_schema_version SET version = $1`

	// lockMigrations waits for another process that migrates. The lock ends with the
	// connection.
	lockMigrations = `SELECT pg_advisory_lock($1)`

	// schemaOwner is the role that owns the schema, NULL before the first migration.
	schemaOwner = `(SELECT tableowner FROM pg_catalog.pg_tables
	WHERE schemaname = 'public' AND tablename = 'orderflow_schema_version')`

	// actAsOwner makes a superuser, or a member of the owner's role, act as the owner. What a
	// migration creates belongs to its creator, and the triggers that protect the history
	// let only functions of its owner pass.
	actAsOwner = `SELECT set_config('role', owner, false) FROM ` + schemaOwner + ` AS version(owner)
WHERE owner <> current_user`

	// setLockTimeout bounds how long a migration waits for a table.
	setLockTimeout = `SET LOCAL lock_timeout = '3s'`
)

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

// Dependency returns the database with a current schema, for daemons to await. A schema
// that is too old is awaited as well: a platform may start a new release and the
// migration that it needs at the same time.
func (p *Pool) Dependency() ops.Dependency {
	mayPass := func(err error) bool { return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrSchemaOutdated) }
	return ops.Dependency{Name: "postgres", Check: p.CheckSchema, MayPass: mayPass}
}

// rowQuerier is the pool, a connection of it, or a transaction.
type rowQuerier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// schemaVersion returns how many migrations have run.
func schemaVersion(ctx context.Context, db rowQuerier) (version int, err error) {
	err = db.QueryRow(ctx, selectVersion).Scan(&version)
	return version, err
}

func isUndefinedTable(err error) bool {
	const undefinedTable = "42P01"
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == undefinedTable
}

const (
	// migrateTimeout bounds all migrations together, including the wait for another
	// process that migrates.
	migrateTimeout = 10 * time.Minute
	// migrateLock is the key of the advisory lock. Binaries of earlier releases, which
	// migrated with tern, use the same one.
	migrateLock = 9628173550095224
)

// migrateBackoff is the backoff after a migration found a table locked. In between, the
// statements that waited behind it run.
var migrateBackoff = backoff.Exponential{Min: time.Second, Max: 15 * time.Second}

// Migrate brings the schema to the version of this binary, each migration in a
// transaction of its own. Several processes may run it at a time. It leaves a newer
// schema unchanged: migrations only add, so that the binary before the last one still
// works. They run as the owner of the schema.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	settings, err := parseURL(url)
	if err != nil {
		return err
	}
	limitConnecting(settings.ConnConfig, defaultCallTimeout)
	session := newSession(settings.ConnConfig, "orderflow-migrate", true, defaultCallTimeout)
	conn, err := pgx.ConnectConfig(ctx, settings.ConnConfig)
	if err != nil {
		return describe("migrate", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // which releases the lock
	if err := session.prepare(ctx, conn); err != nil {
		return describe("migrate", err)
	}
	if err := migrate(ctx, conn, logger); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrate(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) error {
	names, err := migrations()
	if err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, lockMigrations, migrateLock); err != nil {
		return err
	}
	version, err := currentVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(names) {
		logger.Info("schema is newer than this binary", "version", version, "needed", len(names))
		return nil
	}
	if version < len(names) {
		if _, err := conn.Exec(ctx, actAsOwner); err != nil {
			return fmt.Errorf("act as the owner of the schema: %w", err)
		}
	}
	for ; version < len(names); version++ {
		name := names[version]
		logger.Info("migrating the schema", "version", version+1, "migration", path.Base(name))
		if err := applyUnlocked(ctx, conn, name, version+1, logger); err != nil {
			return fmt.Errorf("%s: %w", path.Base(name), err)
		}
	}
	return nil
}

// currentVersion returns how many migrations have run. It creates the table that records
// it if there is none.
func currentVersion(ctx context.Context, conn *pgx.Conn) (int, error) {
	version, err := schemaVersion(ctx, conn)
	if !isUndefinedTable(err) {
		return version, err
	}
	_, err = conn.PgConn().Exec(ctx, createVersion).ReadAll()
	return 0, err
}

// applyUnlocked applies a migration, and tries again if one of its tables is locked for longer
// than setLockTimeout allows. While it waits for a table, for example because a backup reads it,
// every later statement on that table waits behind it.
func applyUnlocked(ctx context.Context, conn *pgx.Conn, name string, version int, logger *slog.Logger) error {
	for attempt := 0; ; attempt++ {
		err := apply(ctx, conn, name, version)
		if !isLockTimeout(err) {
			return err
		}
		logger.Warn("a table is locked, trying again", "migration", path.Base(name), "attempt", attempt+1)
		if waitErr := migrateBackoff.Wait(ctx, attempt); waitErr != nil {
			return fmt.Errorf("%w: %w", waitErr, err)
		}
	}
}

func isLockTimeout(err error) bool {
	const lockNotAvailable = "55P03"
	var server *pgconn.PgError
	return errors.As(err, &server) && server.Code == lockNotAvailable
}

// apply runs one migration and records its version, in one transaction.
func apply(ctx context.Context, conn *pgx.Conn, name string, version int) error {
	statements, err := migrationFiles.ReadFile(name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, setLockTimeout); err != nil {
			return err
		}
		if _, err := tx.Conn().PgConn().Exec(ctx, string(statements)).ReadAll(); err != nil { // several statements
			return err
		}
		_, err := tx.Exec(ctx, setVersion, version)
		return err
	})
}
