package postgres

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// grant is a privilege that a binary needs.
type grant struct {
	kind      string // schema, function or table
	object    string
	privilege string
	columns   []string // of a table; none is all
}

// String returns the grant as GRANT writes it.
func (g grant) String() string {
	if len(g.columns) > 0 {
		return fmt.Sprintf("%s (%s) ON %s", g.privilege, strings.Join(g.columns, ", "), g.object)
	}
	return g.privilege + " ON " + g.object
}

// grantStatement matches what the schema's grant functions execute. Such a function is
// the one definition of what its binary needs, so it is read and not repeated here.
var grantStatement = regexp.MustCompile(`(?s)GRANT (.+?) ON (SCHEMA |FUNCTION |TABLE )?(.+?) TO %I`)

// grantsOf returns the grants in the body of a grant function.
func grantsOf(body string) (grants []grant) {
	for _, found := range grantStatement.FindAllStringSubmatch(body, -1) {
		kind := strings.ToLower(strings.TrimSpace(found[2]))
		if kind == "" {
			kind = "table"
		}
		for _, object := range splitOutside(found[3]) {
			for _, privilege := range splitOutside(found[1]) {
				g := grant{kind: kind, object: object}
				name, columns, listed := strings.Cut(privilege, "(")
				g.privilege = strings.TrimSpace(name)
				if listed {
					g.columns = splitOutside(strings.TrimSuffix(columns, ")"))
				}
				grants = append(grants, g)
			}
		}
	}
	return grants
}

// splitOutside splits a list at the commas outside parentheses.
func splitOutside(list string) (parts []string) {
	depth, begin := 0, 0
	for i, r := range list + "," {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ',' && depth == 0:
			parts = append(parts, strings.Join(strings.Fields(list[begin:i]), " "))
			begin = i + 1
		}
	}
	return parts
}

// readRoles reads the roles of deploy/roles.sql, and which of their grants are missing.
func readRoles(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	roles := Roles()
	if err := readRoleStates(ctx, tx, found, append(slices.Collect(maps.Values(roles)), found.CurrentRole)); err != nil {
		return err
	}
	if err := tx.QueryRow(ctx, selectOpenSchema).Scan(&found.OpenSchema); err != nil {
		return err
	}
	found.Missing, found.CurrentLacks = map[string][]string{}, map[string][]string{}
	for binary, role := range roles {
		var body string
		err := tx.QueryRow(ctx, `SELECT coalesce((SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure($1)), '')`,
			"public.orderflow_grant_"+binary+"(name)").Scan(&body)
		if err != nil {
			return err
		}
		grants := grantsOf(body)
		if len(grants) == 0 { // not migrated
			return nil
		}
		if _, exists := found.Roles[role]; exists {
			if found.Missing[role], err = missingGrants(ctx, tx, role, grants); err != nil {
				return err
			}
		}
		if found.CurrentLacks[binary], err = missingGrants(ctx, tx, found.CurrentRole, grants); err != nil {
			return err
		}
	}
	found.GrantsKnown = true
	return nil
}

// selectRoles reads roles. A role's setting for the database precedes that for all.
const selectRoles = `
SELECT r.rolname, r.rolcanlogin, ` + mayReplicate + `, r.rolsuper,
    coalesce((SELECT split_part(setting, '=', 2) FROM pg_db_role_setting s, unnest(s.setconfig) AS setting
        WHERE s.setrole = r.oid AND setting LIKE 'synchronous\_commit=%'
            AND s.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
        ORDER BY s.setdatabase DESC LIMIT 1), '')
FROM pg_roles r WHERE r.rolname = ANY ($1::text[])`

func readRoleStates(ctx context.Context, tx pgx.Tx, found *Inspection, names []string) error {
	rows, err := tx.Query(ctx, selectRoles, names)
	if err != nil {
		return err
	}
	found.Roles = map[string]RoleState{}
	var name string
	var state RoleState
	_, err = pgx.ForEachRow(rows, []any{&name, &state.Login, &state.Replication, &state.Superuser, &state.Commit}, func() error {
		found.Roles[name] = state
		return nil
	})
	return err
}

// missingOf reads which of the grants a role lacks, as their numbers from 1. An object that
// does not exist is left to the check of the schema.
const missingOf = `
SELECT n FROM unnest($2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY AS g (kind, object, privilege, columns, n)
WHERE CASE kind
    WHEN 'schema' THEN NOT has_schema_privilege($1, object, privilege)
    WHEN 'function' THEN NOT coalesce(has_function_privilege($1, to_regprocedure('public.' || object), privilege), true)
    ELSE NOT coalesce(has_table_privilege($1, to_regclass('public.' || object), privilege), true) AND (columns = '' OR EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = to_regclass('public.' || object) AND a.attname = ANY (string_to_array(columns, ','))
            AND NOT has_column_privilege($1, a.attrelid, a.attnum, privilege)))
END ORDER BY n`

func missingGrants(ctx context.Context, tx pgx.Tx, role string, grants []grant) (missing []string, err error) {
	var kinds, objects, privileges, columns []string
	for _, g := range grants {
		kinds, objects = append(kinds, g.kind), append(objects, g.object)
		privileges, columns = append(privileges, g.privilege), append(columns, strings.Join(g.columns, ","))
	}
	rows, err := tx.Query(ctx, missingOf, role, kinds, objects, privileges, columns)
	if err != nil {
		return nil, err
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	for _, n := range numbers {
		missing = append(missing, grants[n-1].String())
	}
	return missing, err
}
