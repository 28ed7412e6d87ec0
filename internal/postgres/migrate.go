package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	// migrateTimeout bounds all migrations together, including the wait for another
	// process that migrates.
	migrateTimeout = 10 * time.Minute
	// migrateLock is the key of the advisory lock. Binaries of earlier releases, which
	// migrated with tern, use the same one.
	migrateLock = 9628173550095224
)

// Migrate brings the schema to the version of this binary, each migration in a
// transaction of its own. Several processes may run it at a time. It leaves a newer
// schema unchanged: migrations only add, so that the binary before the last one still
// works.
func Migrate(ctx context.Context, url string, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, migrateTimeout)
	defer cancel()
	settings, err := parseURL(url)
	if err != nil {
		return err
	}
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
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrateLock); err != nil {
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
	for ; version < len(names); version++ {
		name := names[version]
		logger.Info("migrating the schema", "version", version+1, "migration", path.Base(name))
		if err := apply(ctx, conn, name, version+1); err != nil {
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
	_, err = conn.PgConn().Exec(ctx, "CREATE TABLE "+versionTable+" (version integer NOT NULL); INSERT INTO "+versionTable+" VALUES (0)").ReadAll()
	return 0, err
}

// apply runs one migration and records its version, in one transaction.
func apply(ctx context.Context, conn *pgx.Conn, name string, version int) error {
	statements, err := migrationFiles.ReadFile(name)
	if err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Conn().PgConn().Exec(ctx, string(statements)).ReadAll(); err != nil { // several statements
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE "+versionTable+" SET version = $1", version)
		return err
	})
}
