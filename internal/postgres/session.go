package postgres

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/config"
)

// session pins the session settings that the statements rely on, whatever the defaults of the server or role are: they see
// what others committed before each of them, find their tables in one schema, and write times in one zone.
//
// A pooler such as PgBouncer in transaction mode may run each transaction on another connection to the server. It refuses
// most startup parameters, and what is set in one transaction would stay with whatever client comes next. So the parameters
// are set after connecting, and on the server's own connections alone; of a pooler's sessions it is required that the role's
// defaults are what the statements rely on.
type session struct {
	own     bool              // a pooler is refused
	timeout time.Duration     // of preparing a connection
	values  map[string]string // by the setting's name

	direct atomic.Bool // the last connection was the server's own
}

const (
	isolationSetting  = "default_transaction_isolation"
	isolationRequired = "read committed"
	schemaSetting     = "search_path"
	schemaRequired    = "public"
	zoneSetting       = "timezone"
	zoneRequired      = "UTC"
)

// newSession adds what the statements rely on to the settings of a connection: to the startup packet what every pooler
// takes, the rest to the session that it returns. Until a connection is known to be the server's own, no statement is prepared
// under a name: the next transaction may run on a connection that does not know it.
func newSession(settings *pgx.ConnConfig, applicationName string, own bool, timeout time.Duration) *session {
	settings.RuntimeParams[zoneSetting] = zoneRequired
	nameApplication(settings, applicationName)
	delete(settings.RuntimeParams, isolationSetting)
	delete(settings.RuntimeParams, schemaSetting)
	if !own && settings.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		settings.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return &session{
		own: own, timeout: timeout,
		values: map[string]string{isolationSetting: isolationRequired, schemaSetting: schemaRequired},
	}
}

// choose has connections prepare their statements once the server is known to be reached without a pooler, which takes half
// the time.
func (s *session) choose(_ context.Context, settings *pgx.ConnConfig) error {
	if s.direct.Load() && settings.DefaultQueryExecMode == pgx.QueryExecModeCacheDescribe {
		settings.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	return nil
}

// nameApplication names the application, unless the URL does.
func nameApplication(settings *pgx.ConnConfig, name string) {
	if _, ok := settings.RuntimeParams["application_name"]; !ok && name != "" {
		settings.RuntimeParams["application_name"] = name
	}
}

// set sets a parameter of the server's own connections, unless the URL has it.
func (s *session) set(settings *pgx.ConnConfig, name, value string) {
	if _, ok := settings.RuntimeParams[name]; !ok {
		s.values[name] = value
	}
}

// prepareStatement reads whether the server's process is the one that the connection was made to, and what the session has;
// if it is, it sets what is wanted.
const prepareStatement = `
SELECT pg_backend_pid() = $1::bigint, current_setting('default_transaction_isolation'), coalesce(current_schema(), ''),
    current_setting('timezone'), (
        SELECT count(set_config(name, value, false)) FROM unnest($2::text[], $3::text[]) AS wanted (name, value)
        WHERE pg_backend_pid() = $1::bigint
    )`

// prepare brings a new connection to the settings. It returns a *config.Error if a pooler is refused, and a *poolerError if
// the pooler's sessions cannot be used.
func (s *session) prepare(ctx context.Context, conn *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	var names, values []string
	for name, value := range s.values {
		names, values = append(names, name), append(values, value)
	}
	var direct bool
	var has [3]string
	var set int
	err := conn.QueryRow(ctx, prepareStatement, pgx.QueryExecModeExec, int64(conn.PgConn().PID()), names, values).
		Scan(&direct, &has[0], &has[1], &has[2], &set)
	if err != nil {
		return err
	}
	prepares := conn.Config().DefaultQueryExecMode == pgx.QueryExecModeCacheStatement
	s.direct.Store(direct)
	switch {
	case direct:
		return nil
	case s.own:
		return errPooler
	case prepares: // the URL has come to lead to a pooler: the next connection prepares nothing
		return &poolerError{}
	default:
		return checkPooled(has[:])
	}
}

// errPooler refuses a pooler for what needs sessions of the server's own.
var errPooler = config.Invalid("POSTGRES_URL", "must lead to the server itself: a connection pooler such as PgBouncer is before it, "+
	"and this needs sessions that keep locks or replicate")

// checkPooled checks what a pooler's session has, in the order of the statement.
func checkPooled(has []string) error {
	names, required := []string{isolationSetting, schemaSetting, zoneSetting}, []string{isolationRequired, schemaRequired, zoneRequired}
	for i, name := range names {
		if has[i] != required[i] {
			return &poolerError{setting: name, required: required[i]}
		}
	}
	return nil
}

// poolerError says that a pooler leads to sessions with a setting that the statements cannot use, or, without a required
// value, to ones that keep no prepared statements.
type poolerError struct{ setting, required string }

// Error names the setting and what clears it.
func (e *poolerError) Error() string {
	if e.required == "" {
		return "the server is now reached through a connection pooler, which keeps no prepared statements: the next connection does without"
	}
	return "the connection pooler's sessions lack " + e.setting + " = '" + e.required + "': ALTER ROLE ... SET it for this role"
}

// poolerCodes are what a pooler makes of a client that asks for more than it gives: a startup parameter that it does not
// know, and prepared statements that another connection has or lacks.
var poolerCodes = []string{"08P01", "42P05", "26000"}

// poolerDetail says what to do about them.
const poolerDetail = "a connection pooler such as PgBouncer refuses a parameter or a prepared statement: take what POSTGRES_URL " +
	"sets for the session out of it, and see docs/operations.md"

func ofPooler(code string) bool { return slices.Contains(poolerCodes, code) }
