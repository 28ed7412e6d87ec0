package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/backoff"
)

// Setup is what an administrator prepares in a database before the binaries can use it:
// the schema, the publication and the roles. Its methods read, or do one step. It is safe
// for concurrent use.
type Setup struct{ pool *Pool }

// NewSetup returns the setup of the pool's database. The pool's role has to own the
// schema or, for some steps, be a superuser.
func NewSetup(pool *Pool) *Setup { return &Setup{pool: pool} }

// SchemaVersion returns how many migrations have run in the database, and how many this
// binary has.
func (s *Setup) SchemaVersion(ctx context.Context) (version, newest int, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	names, err := migrations()
	if err != nil {
		return 0, 0, err
	}
	version, err = schemaVersion(ctx, s.pool.db)
	if err != nil && !isUndefinedTable(err) {
		return 0, 0, describe("read the schema's version", err)
	}
	return version, len(names), nil
}

// pruningSetting is set by a function of the schema. From PostgreSQL 15 on, only a
// superuser may let a function set a parameter that no library defines, or grant that.
const pruningSetting = "orderflow.pruning"

const selectAccount = `
SELECT role, current_database(), current_setting('server_version_num')::integer,
    has_schema_privilege(role, 'public', 'CREATE'), has_database_privilege(role, current_database(), 'CREATE')
FROM coalesce(` + schemaOwner + `, current_user) AS account(role)`

// RightsToMigrate returns the statements by which a superuser grants the owner of the
// schema, before the first migration the connected role, the rights that the pending
// migrations need and that it lacks.
func (s *Setup) RightsToMigrate(ctx context.Context) (grants []string, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	var owner, database string
	var server int
	var schemaRight, databaseRight, settingRight bool
	if err := s.pool.db.QueryRow(ctx, selectAccount).Scan(&owner, &database, &server, &schemaRight, &databaseRight); err != nil {
		return nil, describe("read the role's rights", err)
	}
	role, database := pgx.Identifier{owner}.Sanitize(), pgx.Identifier{database}.Sanitize()
	if !schemaRight {
		grants = append(grants, "GRANT CREATE, USAGE ON SCHEMA public TO "+role+";")
	}
	if !databaseRight {
		grants = append(grants, "GRANT CREATE ON DATABASE "+database+" TO "+role+";")
	}
	sets, err := s.pendingSets(ctx)
	if err != nil || !sets || server < 15_00_00 {
		return grants, err
	}
	err = s.pool.db.QueryRow(ctx, `SELECT has_parameter_privilege($1::name, $2, 'SET')`, owner, pruningSetting).Scan(&settingRight)
	if err != nil {
		return nil, describe("read the role's rights", err)
	}
	if !settingRight {
		grants = append(grants, "GRANT SET ON PARAMETER "+pruningSetting+" TO "+role+";")
	}
	return grants, nil
}

// selectOpenSchema reads whether PUBLIC, which is every role, may create objects in the
// schema public.
const selectOpenSchema = `SELECT has_schema_privilege('public', 'public', 'CREATE')`

// OpenSchema reports whether every role may create objects in the schema public, as in a
// database that PostgreSQL 14 or older created. Triggers of the schema run as its owner. A
// function of another role's there, which fits a call better than the server's own, would
// run as the owner, too.
func (s *Setup) OpenSchema(ctx context.Context) (open bool, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = s.pool.db.QueryRow(ctx, selectOpenSchema).Scan(&open)
	return open, describe("read who may create objects in the schema public", err)
}

// pendingSets reports whether a pending migration has a function that sets
// pruningSetting.
func (s *Setup) pendingSets(ctx context.Context) (bool, error) {
	version, _, err := s.SchemaVersion(ctx)
	if err != nil {
		return false, err
	}
	names, err := migrations()
	if err != nil {
		return false, err
	}
	for _, name := range names[min(version, len(names)):] {
		statements, err := migrationFiles.ReadFile(name)
		if err != nil {
			return false, err
		}
		if strings.Contains(string(statements), "SET "+pruningSetting) {
			return true, nil
		}
	}
	return false, nil
}

const selectMayGrant = `
SELECT coalesce(bool_and(pg_has_role(relowner, 'USAGE')), false), coalesce(bool_and(
    has_schema_privilege(relnamespace, 'USAGE WITH GRANT OPTION') OR has_schema_privilege($2::name, relnamespace, 'USAGE')), false),
    quote_ident(current_user)
FROM pg_class WHERE relnamespace = to_regnamespace('public') AND relname = ANY ($1)`

// MayGrant reports whether the connected role may grant a role rights on the tables: it
// is their owner, a member of the owner, or a superuser. If it is, but may not grant
// USAGE on the schema, which the role lacks, MayGrant returns the statement by which the
// owner of the schema allows that: PostgreSQL would ignore the grant with a warning.
func (s *Setup) MayGrant(ctx context.Context, role string) (tables bool, allow string, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	var schema bool
	var grantor string
	err = s.pool.db.QueryRow(ctx, selectMayGrant,
		[]string{"order_fulfillment", historyTable, "email_delivery", "customer_view", "publisher_mark"}, role).Scan(&tables, &schema, &grantor)
	if err == nil && tables && !schema {
		allow = "GRANT USAGE ON SCHEMA public TO " + grantor + " WITH GRANT OPTION;"
	}
	return tables, allow, describe("read the rights to grant", err)
}

// selectRoleRights reads what a role has: that it exists, its attributes, and what was
// granted to it by name.
const selectRoleRights = `
WITH role AS (SELECT oid, rolcanlogin, ` + replicates + ` AS replicates FROM pg_roles WHERE rolname = $1)
SELECT 'the role' FROM role
UNION ALL SELECT 'LOGIN' FROM role WHERE rolcanlogin
UNION ALL SELECT 'REPLICATION' FROM role WHERE replicates
UNION ALL SELECT a.privilege_type || ' on schema ' || n.nspname
    FROM role, pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = role.oid AND n.nspname = 'public'
UNION ALL SELECT a.privilege_type || ' on ' || c.relname
    FROM role, pg_class c, aclexplode(c.relacl) a WHERE a.grantee = role.oid AND c.relnamespace = to_regnamespace('public')
UNION ALL SELECT a.privilege_type || ' (' || t.attname || ') on ' || c.relname
    FROM role, pg_class c, pg_attribute t, aclexplode(t.attacl) a
    WHERE a.grantee = role.oid AND t.attrelid = c.oid AND c.relnamespace = to_regnamespace('public')
UNION ALL SELECT a.privilege_type || ' on function ' || p.proname
    FROM role, pg_proc p, aclexplode(p.proacl) a WHERE a.grantee = role.oid AND p.pronamespace = to_regnamespace('public')`

// errRolledBack ends a transaction that is to change nothing.
var errRolledBack = errors.New("nothing to change")

// ApplyRole runs a statement that creates a role, or grants it something, and returns
// what the role has gained, sorted. If that is nothing, the transaction is rolled back, so
// that repeated grants do not rewrite the catalog. A dry run always rolls back, and so
// meets the same refusals. It repeats what conflicts with the setup of another database of
// the same cluster, which has the same roles. ApplyRole returns ErrMayNotGrant if the
// connected role may not do it.
func (s *Setup) ApplyRole(ctx context.Context, role, statement string, dryRun bool) (gained []string, err error) {
	retry := backoff.Exponential{Min: 100 * time.Millisecond, Max: time.Second}
	for tries := 0; ; tries++ {
		gained, err = s.tryApplyRole(ctx, role, statement, dryRun)
		if err == nil || errors.Is(err, errRolledBack) {
			return gained, nil
		}
		if tries == roleAttempts-1 || !conflictsOnRole(err) || retry.Wait(ctx, tries) != nil {
			return nil, describeRefusal("prepare role", err)
		}
	}
}

// roleAttempts bounds how often ApplyRole tries.
const roleAttempts = 4

// conflictsOnRole reports whether another transaction changed the same role meanwhile:
// the roles of a cluster have no lock that works across its databases.
func conflictsOnRole(err error) bool {
	var conflict *pgconn.PgError
	if !errors.As(err, &conflict) {
		return false
	}
	switch conflict.Code {
	case "23505", "42710": // the role, or its row in the catalog, was created
		return true
	default:
		return conflict.Code == "XX000" && strings.Contains(conflict.Message, "concurrently updated")
	}
}

func (s *Setup) tryApplyRole(ctx context.Context, role, statement string, dryRun bool) (gained []string, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = pgx.BeginFunc(ctx, s.pool.db, func(tx pgx.Tx) error {
		before, err := roleRights(ctx, tx, role)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		after, err := roleRights(ctx, tx, role)
		if err != nil {
			return err
		}
		gained = slices.DeleteFunc(after, func(right string) bool { return slices.Contains(before, right) })
		slices.Sort(gained)
		if dryRun || len(gained) == 0 {
			return errRolledBack
		}
		return nil
	})
	return gained, err
}

func roleRights(ctx context.Context, tx pgx.Tx, role string) ([]string, error) {
	rows, err := tx.Query(ctx, selectRoleRights, role)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// RoleExists reports whether there is a role of a name.
func (s *Setup) RoleExists(ctx context.Context, role string) (exists bool, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = s.pool.db.QueryRow(ctx, `SELECT to_regrole(quote_ident($1)) IS NOT NULL`, role).Scan(&exists)
	return exists, describe("look up role", err)
}

// MayLogIn reports whether a role has LOGIN. It reports true for a role that does not
// exist.
func (s *Setup) MayLogIn(ctx context.Context, role string) (may bool, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err = s.pool.db.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND NOT rolcanlogin)`, role).Scan(&may)
	return may, describe("look up role", err)
}

// WithoutPassword returns those of the roles that have no password, or do not exist. It
// returns ErrMayNotGrant unless the connected role may read that, which by default only
// superusers may.
func (s *Setup) WithoutPassword(ctx context.Context, roles []string) (without []string, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	rows, err := s.pool.db.Query(ctx,
		`SELECT name FROM unnest($1::name[]) AS name LEFT JOIN pg_authid ON rolname = name WHERE rolpassword IS NULL ORDER BY name`, roles)
	if err == nil {
		without, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return without, describeRefusal("read which roles have passwords", err)
}

// describeRefusal is describe for statements that the connected role may not be allowed
// to run.
func describeRefusal(op string, err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" { // insufficient_privilege
		return fmt.Errorf("%s: %w", op, ErrMayNotGrant)
	}
	return describe(op, err)
}

const selectPublicationParts = `
SELECT p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
    EXISTS (SELECT FROM pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = to_regclass($2))
FROM pg_publication p WHERE p.pubname = $1`

// PublicationRepair returns the statements that make an incomplete publication send every
// insert into the history again. Other tables stay in it.
func (s *Setup) PublicationRepair(ctx context.Context) (statements []string, err error) {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	const table = "public." + historyTable
	var all, listed bool
	var kinds [4]bool
	err = s.pool.db.QueryRow(ctx, selectPublicationParts, publicationName, table).
		Scan(&all, &kinds[0], &kinds[1], &kinds[2], &kinds[3], &listed)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return []string{"CREATE PUBLICATION " + publicationName + " FOR TABLE " + table + " WITH (publish = 'insert');"}, nil
	case err != nil:
		return nil, describe("read publication", err)
	}
	if listed && !all { // without its row filter and column list
		statements = append(statements, "ALTER PUBLICATION "+publicationName+" DROP TABLE "+table+";")
	}
	if !all {
		statements = append(statements, "ALTER PUBLICATION "+publicationName+" ADD TABLE "+table+";")
	}
	if !kinds[0] {
		publish := []string{"insert"}
		for i, kind := range []string{"update", "delete", "truncate"} {
			if kinds[i+1] {
				publish = append(publish, kind)
			}
		}
		statements = append(statements, "ALTER PUBLICATION "+publicationName+" SET (publish = '"+strings.Join(publish, ", ")+"');")
	}
	return statements, nil
}

// Apply runs statements in one transaction. It returns ErrMayNotGrant if the connected
// role may not run one of them.
func (s *Setup) Apply(ctx context.Context, op string, statements []string) error {
	ctx, cancel := s.pool.withDeadline(ctx)
	defer cancel()
	err := pgx.BeginFunc(ctx, s.pool.db, func(tx pgx.Tx) error {
		for _, statement := range statements {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	return describeRefusal(op, err)
}

// Migrate runs the pending migrations. It returns ErrMayNotGrant if the connected role
// may not.
func (s *Setup) Migrate(ctx context.Context) error {
	err := Migrate(ctx, s.pool.config.URL, s.pool.config.Logger)
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return fmt.Errorf("%w (%s)", ErrMayNotGrant, refused.Message)
	}
	return err
}
