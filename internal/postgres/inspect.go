package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// Inspection is what a server says about itself and about what Orderflow has in it.
type Inspection struct {
	Server       ServerState
	Schema       SchemaState
	Publication  PublicationState
	Slot         *SlotState // nil if there is none
	Standbys     []Standby
	Roles        map[string]RoleState // by name, those that exist
	Missing      map[string][]string  // by the name of a role that exists, the grants that it lacks
	GrantsKnown  bool                 // the schema has the functions that define the grants
	CurrentRole  string
	CurrentLacks map[string][]string // by binary, the grants that the connected role lacks
	OpenSchema   bool                // every role may create objects in the schema public
}

// ServerState is the state of the server and the session.
type ServerState struct {
	Version      int // as server_version_num
	VersionText  string
	Now          time.Time
	Pooled       bool // a connection pooler is before the server
	Standby      bool
	ReadOnly     bool // sessions of this role are read-only by default
	WALLevel     string
	Commit       string // synchronous_commit
	SyncStandbys string // synchronous_standby_names
	Fsync        string
	PageWrites   string // full_page_writes
	KeepMiB      int64  // max_slot_wal_keep_size; -1 is unlimited
	SyncedSlots  string // synchronized_standby_slots; empty before PostgreSQL 17
	Isolation    string // of a pooler's sessions, which must be what the statements depend on
	SearchSchema string

	MaxConnections, Reserved, Connected int64
	DatabaseLimit, DatabaseConnected    int64 // a limit of -1 is none
	RoleLimit, RoleConnected            int64
}

// SchemaState is the version of the schema and the one that this build needs.
type SchemaState struct {
	Exists, Readable bool
	Version, Needed  int
}

// PublicationState describes the publication of the history.
type PublicationState struct {
	Exists, Inserts, HasTable, Filtered, Columns bool
}

// SlotState describes the publisher's replication slot.
type SlotState struct {
	Ours     bool // a lasting logical slot of this database, read by pgoutput
	Active   bool
	Status   string // wal_status
	Failover bool
	Lag      int64 // bytes of log after the confirmed position
}

// Standby is a physical replication slot, through which a standby follows or a backup is
// taken.
type Standby struct {
	Slot     string
	Active   bool
	Feedback bool // hot_standby_feedback: the slot holds the standby's oldest transaction
}

// RoleState describes a role.
type RoleState struct {
	Login, Superuser bool
	Replication      bool   // also by membership in rds_replication, as Amazon RDS has it
	Commit           string // synchronous_commit, if the role has one of its own
}

// Inspector inspects one database.
type Inspector struct {
	settings *pgx.ConnConfig
	slot     string
}

// Roles returns the role of deploy/roles.sql of each binary, by the binary's name.
func Roles() map[string]string {
	return map[string]string{
		"worker": "orderflow_worker", "publisher": "orderflow_publisher", "projector": "orderflow_projector", "api": "orderflow_api",
		"reconcile": "orderflow_reconcile",
	}
}

// OpenInspector checks the connection string without connecting. Any error is a
// *config.Error.
func OpenInspector(url, slot string) (*Inspector, error) {
	settings, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	conn := settings.ConnConfig
	if _, ok := sessionAttributes(url); !ok && oneHost(conn) {
		conn.ValidateConnect = nil // a standby is a finding and not an outage
	}
	limitConnecting(conn, inspectorConnecting)
	conn.DefaultQueryExecMode = pgx.QueryExecModeExec // also through a pooler
	nameApplication(conn, "orderflow-doctor")
	return &Inspector{settings: conn, slot: slot}, nil
}

// inspectorConnecting bounds the attempts to connect to all hosts. It leaves the doctor,
// which has ten seconds for a server, time to read.
const inspectorConnecting = 5 * time.Second

// oneHost reports whether a connection string names one server. Of several, the binaries
// use the one that takes writes.
func oneHost(settings *pgx.ConnConfig) bool {
	for _, fallback := range settings.Fallbacks {
		if fallback.Host != settings.Host || fallback.Port != settings.Port {
			return false
		}
	}
	return true
}

// Inspect reads everything in one read-only transaction, and calls begin once it is
// connected, right before it reads the server's clock. It returns ErrUnavailable if the
// server does not respond before ctx ends.
func (i *Inspector) Inspect(ctx context.Context, begin func()) (found Inspection, err error) {
	conn, err := pgx.ConnectConfig(ctx, i.settings)
	if err != nil {
		return found, describe("connect", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return found, describe("begin", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	begin()
	for _, read := range []func(context.Context, pgx.Tx, *Inspection) error{
		readServer, readSchema, readPublication, i.readSlot, readStandbys, readRoles,
	} {
		if err := read(ctx, tx, &found); err != nil {
			return found, describe("inspect", err)
		}
	}
	return found, nil
}

// inspectServer reads settings and counts that every role may read. numbackends counts
// every connection, although their details are hidden from most roles.
const inspectServer = `
SELECT current_setting('server_version_num')::int, current_setting('server_version'), clock_timestamp(), pg_backend_pid() <> $1::bigint,
    pg_is_in_recovery(), current_setting('default_transaction_read_only')::boolean, current_setting('wal_level'),
    current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'),
    current_setting('synchronous_standby_names'),
    (SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
    coalesce(current_setting('synchronized_standby_slots', true), ''),
    current_setting('default_transaction_isolation'), coalesce(current_schema(), ''), current_user,
    current_setting('max_connections')::bigint,
    current_setting('superuser_reserved_connections')::bigint + coalesce(current_setting('reserved_connections', true), '0')::bigint,
    (SELECT coalesce(sum(numbackends), 0)::bigint FROM pg_stat_database),
    d.datconnlimit, (SELECT numbackends FROM pg_stat_database WHERE datid = d.oid),
    r.rolconnlimit, (SELECT count(*) FROM pg_stat_activity WHERE usesysid = r.oid)
FROM pg_database d, pg_roles r WHERE d.datname = current_database() AND r.rolname = current_user`

func readServer(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	s := &found.Server
	return tx.QueryRow(ctx, inspectServer, int64(tx.Conn().PgConn().PID())).Scan(
		&s.Version, &s.VersionText, &s.Now, &s.Pooled, &s.Standby, &s.ReadOnly, &s.WALLevel, &s.Commit, &s.Fsync, &s.PageWrites,
		&s.SyncStandbys, &s.KeepMiB, &s.SyncedSlots, &s.Isolation, &s.SearchSchema, &found.CurrentRole, &s.MaxConnections, &s.Reserved, &s.Connected,
		&s.DatabaseLimit, &s.DatabaseConnected, &s.RoleLimit, &s.RoleConnected)
}

func readSchema(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	names, err := migrations()
	if err != nil {
		return err
	}
	s := &found.Schema
	s.Needed = len(names)
	err = tx.QueryRow(ctx, `
SELECT to_regclass('public.orderflow_schema_version') IS NOT NULL,
    coalesce(has_table_privilege(to_regclass('public.orderflow_schema_version'), 'SELECT'), false)`).Scan(&s.Exists, &s.Readable)
	if err != nil || !s.Readable {
		return err
	}
	s.Version, err = schemaVersion(ctx, tx)
	return err
}

func readPublication(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	p := &found.Publication
	err := tx.QueryRow(ctx, `
SELECT true, p.pubinsert, p.puballtables OR r.oid IS NOT NULL, to_jsonb(r) ->> 'prqual' IS NOT NULL, to_jsonb(r) ->> 'prattrs' IS NOT NULL
FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = to_regclass($2)
WHERE p.pubname = $1`, publicationName, "public."+historyTable).Scan(&p.Exists, &p.Inserts, &p.HasTable, &p.Filtered, &p.Columns)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

func (i *Inspector) readSlot(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	var s SlotState
	err := tx.QueryRow(ctx, `
SELECT slot_type = 'logical' AND plugin = $2 AND coalesce(database = current_database(), false) AND NOT temporary, active,
    coalesce(wal_status, ''), coalesce((to_jsonb(s) ->> 'failover')::boolean, false),
    CASE WHEN pg_is_in_recovery() THEN 0 ELSE coalesce(pg_current_wal_lsn() - confirmed_flush_lsn, 0) END::bigint
FROM pg_replication_slots s WHERE slot_name = $1`, i.slot, decoderPlugin).Scan(&s.Ours, &s.Active, &s.Status, &s.Failover, &s.Lag)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	found.Slot = &s
	return err
}

func readStandbys(ctx context.Context, tx pgx.Tx, found *Inspection) error {
	rows, err := tx.Query(ctx, `
SELECT slot_name, active, xmin IS NOT NULL FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary
ORDER BY slot_name LIMIT 1000`)
	if err != nil {
		return err
	}
	found.Standbys, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Standby])
	return err
}
