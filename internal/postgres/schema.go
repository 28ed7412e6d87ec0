package postgres

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/tern/v2/migrate"
)

// versionTable holds one number: how many migrations have run.
const versionTable = "public.orderflow_schema_version"

// migrateTimeout bounds all migrations together, waiting for another process that migrates included.
const migrateTimeout = 10 * time.Minute

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migrate brings the schema to the version of this binary, each migration in a transaction of its own. Several may run it
// at a time. A newer schema is left alone: migrations only add, so that the binary before the last one still works.
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
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if err := session.prepare(ctx, conn); err != nil {
		return describe("migrate", err)
	}
	if err := migrateWith(ctx, conn, logger); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

func migrateWith(ctx context.Context, conn *pgx.Conn, logger *slog.Logger) error {
	migrator, err := migrate.NewMigrator(ctx, conn, versionTable)
	if err != nil {
		return err
	}
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return err
	}
	if err := migrator.LoadMigrations(files); err != nil {
		return err
	}
	version, err := migrator.GetCurrentVersion(ctx)
	if err != nil {
		return err
	}
	if needed := int32(len(migrator.Migrations)); version > needed {
		logger.Info("schema is newer than this binary", "version", version, "needed", needed)
		return nil
	}
	migrator.OnStart = func(sequence int32, name, _, _ string) {
		logger.Info("migrating the schema", "version", sequence, "migration", name)
	}
	return migrator.Migrate(ctx)
}

// CheckSchema returns ErrSchemaOutdated when migrations of this binary have not run.
func (s *Store) CheckSchema(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	names, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil {
		return err
	}
	version, err := s.schemaVersion(ctx)
	if err != nil {
		return describe("check schema", err)
	}
	if version < len(names) {
		return fmt.Errorf("%w: it is at version %d, this binary needs %d: run `worker migrate`",
			ErrSchemaOutdated, version, len(names))
	}
	return nil
}

// MayPass reports whether waiting may clear an error of CheckSchema. A schema that is too old has to be migrated first.
func MayPass(err error) bool { return errors.Is(err, ErrUnavailable) }

// schemaVersion reads the version, 0 where nothing was ever migrated.
func (s *Store) schemaVersion(ctx context.Context) (version int, err error) {
	const undefinedTable = "42P01"
	err = s.pool.QueryRow(ctx, "SELECT version FROM "+versionTable).Scan(&version)
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == undefinedTable {
		return 0, nil
	}
	return version, err
}
