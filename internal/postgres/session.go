package postgres

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/config"
)

// session pins the session settings that the statements depend on, whatever the defaults
// of the server or role are: each statement sees what others committed before it, tables
// are found in one schema, and times are written in one time zone.
//
// A pooler such as PgBouncer in transaction mode may run each transaction on another
// server connection. It refuses most startup parameters, and what one transaction sets
// would leak to the next client. So the settings are applied after connecting, and only
// on direct connections to the server. In sessions of a pooler, the role's defaults must
// already be what the statements depend on.
type session struct {
	own     bool              // refuse a pooler
	timeout time.Duration     // for preparing a connection
	values  map[string]string // by name of the setting

	direct atomic.Bool // the last connection reached the server without a pooler
}

const (
	isolationSetting  = "default_transaction_isolation"
	requiredIsolation = "read committed"
	schemaSetting     = "search_path"
	requiredSchema    = "public"
	zoneSetting       = "timezone"
	requiredZone      = "UTC"
)

// newSession adds the settings that the statements depend on to a connection: it puts
// what every pooler accepts into the startup packet, and the rest into the returned
// session. Until a connection is known to be direct, no statement is prepared under a
// name, because the next transaction may run on a server connection that does not know
// it.
func newSession(settings *pgx.ConnConfig, applicationName string, own bool, timeout time.Duration) *session {
	settings.RuntimeParams[zoneSetting] = requiredZone
	nameApplication(settings, applicationName)
	delete(settings.RuntimeParams, isolationSetting)
	delete(settings.RuntimeParams, schemaSetting)
	if !own && settings.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		settings.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	return &session{
		own: own, timeout: timeout,
		values: map[string]string{isolationSetting: requiredIsolation, schemaSetting: requiredSchema},
	}
}

// chooseQueryMode makes connections prepare their statements once the server is known to
// be reached without a pooler, which halves the time a call takes.
func (s *session) chooseQueryMode(_ context.Context, settings *pgx.ConnConfig) error {
	if s.direct.Load() && settings.DefaultQueryExecMode == pgx.QueryExecModeCacheDescribe {
		settings.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	}
	return nil
}

// nameApplication sets the application name, unless the URL does.
func nameApplication(settings *pgx.ConnConfig, name string) {
	if _, ok := settings.RuntimeParams["application_name"]; !ok && name != "" {
		settings.RuntimeParams["application_name"] = name
	}
}

// set sets a parameter of direct connections, unless the URL sets it.
func (s *session) set(settings *pgx.ConnConfig, name, value string) {
	if _, ok := settings.RuntimeParams[name]; !ok {
		s.values[name] = value
	}
}

// prepareStatement reads whether the server process is the one that the connection was
// made to, and the session's settings. If it is, the statement applies the required
// settings.
const prepareStatement = `
SELECT pg_backend_pid() = $1::bigint, current_setting('default_transaction_isolation'), coalesce(current_schema(), ''),
    current_setting('timezone'), (
        SELECT count(set_config(name, value, false)) FROM unnest($2::text[], $3::text[]) AS wanted (name, value)
        WHERE pg_backend_pid() = $1::bigint
    )`

// prepare applies the settings to a new connection. It returns a *config.Error if a
// pooler is refused, and a *poolerError if the pooler's sessions cannot be used.
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
	case prepares: // the URL now leads to a pooler: the next connection prepares nothing
		return &poolerError{}
	default:
		return checkPooled(has[:])
	}
}

// errPooler refuses a pooler where direct sessions are required.
var errPooler = config.Invalid("POSTGRES_URL", "must lead to the server itself: a connection pooler such as PgBouncer is before it, "+
	"and this needs sessions that keep locks or replicate")

// checkPooled checks the settings of a pooler's session, given in the order of
// prepareStatement.
func checkPooled(has []string) error {
	names, required := []string{isolationSetting, schemaSetting, zoneSetting}, []string{requiredIsolation, requiredSchema, requiredZone}
	for i, name := range names {
		if has[i] != required[i] {
			return &poolerError{setting: name, required: required[i]}
		}
	}
	return nil
}

// poolerError means that a pooler's sessions have a setting that the statements cannot
// use or, if required is empty, that they keep no prepared statements.
type poolerError struct{ setting, required string }

// Error returns the setting and how to repair it.
func (e *poolerError) Error() string {
	if e.required == "" {
		return "the server is now reached through a connection pooler, which keeps no prepared statements: the next connection does without"
	}
	return "the connection pooler's sessions lack " + e.setting + " = '" + e.required + "': ALTER ROLE ... SET it for this role"
}

// poolerCodes are the errors of a pooler for what it does not support: a startup
// parameter that it does not know, and prepared statements that another connection has or
// lacks.
var poolerCodes = []string{"08P01", "42P05", "26000"}

// poolerDetail explains to the operator what to do about poolerCodes.
const poolerDetail = "a connection pooler such as PgBouncer refuses a parameter or a prepared statement: take what POSTGRES_URL " +
	"sets for the session out of it, and see docs/operations.md"

func isPoolerCode(code string) bool { return slices.Contains(poolerCodes, code) }
