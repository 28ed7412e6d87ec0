package doctor_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/doctor"
	"orderflow/internal/postgres"
)

// rowsRig is a database with the schema, the roles of deploy/roles.sql, and a slot that a
// reader is connected to. The cases run one after the other, because most of what they
// break belongs to the whole cluster. They share a rig and repair what they break, except
// for those that break the slot.
type rowsRig struct {
	*testing.T
	url    string
	name   string // of the database and the slot
	db     *pgx.Conn
	reader *postgres.Replication
}

func newRowsRig(t *testing.T) *rowsRig {
	t.Helper()
	return newRowsRigOn(t, servers.Database(t))
}

// newRowsRigOn is newRowsRig on a database with the schema.
func newRowsRigOn(t *testing.T, database string) *rowsRig {
	t.Helper()
	r := &rowsRig{T: t, url: database}
	address, err := url.Parse(r.url)
	require.NoError(t, err)
	r.name = address.Path[1:]
	r.db, err = pgx.Connect(t.Context(), r.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.db.Close(context.WithoutCancel(t.Context())) })
	r.configure("max_slot_wal_keep_size", "'1GB'")
	script := exec.CommandContext(t.Context(), "psql", "-X", "-v", "ON_ERROR_STOP=1", "-d", r.url, "-f", "../../deploy/roles.sql")
	out, err := script.CombinedOutput()
	require.NoError(t, err, string(out))
	r.connect()
	require.NoError(t, r.reader.CreateSlot(t.Context()))
	require.NoError(t, r.reader.Start(t.Context()))
	t.Cleanup(r.dropSlot)
	return r
}

// connect opens the reader's connection. The reader never sends its position, so the
// server must not expect it to: it would disconnect the reader in the middle of the cases.
func (r *rowsRig) connect() {
	r.Helper()
	address, err := url.Parse(r.url)
	require.NoError(r, err)
	query := address.Query()
	query.Set("wal_sender_timeout", "0")
	address.RawQuery = query.Encode()
	pool, err := postgres.Open(r.Context(), postgres.Config{URL: address.String(), OwnSessions: true, CallTimeout: patience})
	require.NoError(r, err)
	r.Cleanup(pool.Close)
	r.reader, err = postgres.NewPublication(pool).OpenReplication(r.Context(), r.name)
	require.NoError(r, err)
}

func (r *rowsRig) exec(statement string) {
	r.Helper()
	_, err := r.db.Exec(context.WithoutCancel(r.Context()), statement)
	require.NoError(r, err, statement)
}

// after executes a statement when the case has ended.
func (r *rowsRig) after(statement string) { r.Cleanup(func() { r.exec(statement) }) }

// configure changes a setting of the server and waits until it holds.
func (r *rowsRig) configure(name, value string) {
	r.Helper()
	r.exec("ALTER SYSTEM SET " + name + " = " + value)
	r.exec("SELECT pg_reload_conf()")
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		var shown string
		require.NoError(c, r.db.QueryRow(context.WithoutCancel(r.Context()), "SHOW "+name).Scan(&shown))
		require.Equal(c, value, "'"+shown+"'")
	}, patience, 20*time.Millisecond)
}

// leave disconnects the reader and waits until the server has noticed.
func (r *rowsRig) leave() {
	r.Helper()
	r.reader.Close()
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		var active bool
		require.NoError(c, r.db.QueryRow(context.WithoutCancel(r.Context()),
			"SELECT coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1", r.name).Scan(&active))
		require.False(c, active)
	}, patience, 20*time.Millisecond)
}

func (r *rowsRig) dropSlot() {
	r.leave()
	r.exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '" + r.name + "'")
}

// lose makes the server remove log that the slot needs.
func (r *rowsRig) lose() {
	r.leave()
	r.configure("max_slot_wal_keep_size", "'1MB'")
	r.Cleanup(func() { r.configure("max_slot_wal_keep_size", "'1GB'") })
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		var status string
		for range 3 {
			r.exec("SELECT pg_logical_emit_message(false, 'doctor', 'x')")
			r.exec("SELECT pg_switch_wal()")
		}
		r.exec("CHECKPOINT")
		require.NoError(c, r.db.QueryRow(r.Context(), "SELECT wal_status FROM pg_replication_slots WHERE slot_name = $1", r.name).Scan(&status))
		require.Equal(c, "lost", status)
	}, patience, 20*time.Millisecond)
}

func inspectRows(t *testing.T, address, slot string) doctor.Options {
	t.Helper()
	inspector, err := postgres.OpenInspector(address, slot)
	require.NoError(t, err)
	return doctor.Options{Postgres: inspector, Slot: slot}
}

func (r *rowsRig) options() doctor.Options { return inspectRows(r.T, r.url, r.name) }

// as returns options that connect as another role.
func (r *rowsRig) as(role, password string) doctor.Options {
	address, err := url.Parse(r.url)
	require.NoError(r, err)
	address.User = url.UserPassword(role, password)
	return inspectRows(r.T, address.String(), r.name)
}

// createRole creates a role with a password, and drops it after the case.
func (r *rowsRig) createRole(role string) {
	r.exec("CREATE ROLE " + role + " LOGIN PASSWORD 'secret'")
	r.after("DROP OWNED BY " + role + "; DROP ROLE " + role)
}

// within returns the rig for a case.
func (r *rowsRig) within(t *testing.T) *rowsRig {
	own := *r
	own.T = t
	return &own
}

func TestPostgres(t *testing.T) {
	shared := newRowsRig(t)
	t.Run("finds nothing in a database that is set up", func(t *testing.T) {
		results := run(t, shared.within(t).options())
		require.Empty(t, findings(results))
		require.Equal(t, doctor.OK, resultOf(t, results, "postgres/roles").Status)
		require.Equal(t, doctor.OK, resultOf(t, results, "machine/clock").Status)
	})
	for name, c := range map[string]struct {
		damage func(r *rowsRig, o *doctor.Options)
		want   wanted
		own    bool // a rig of its own
	}{
		"a read-only database": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER DATABASE " + r.name + " SET default_transaction_read_only = on")
				r.after("ALTER DATABASE " + r.name + " RESET default_transaction_read_only")
			},
			wanted{"postgres/writable", doctor.Problem, "read-only by default", "default_transaction_read_only = off"}, false,
		},
		"a pooler": {
			func(r *rowsRig, o *doctor.Options) {
				pooled := devservertest.PgBouncer(r, r.url, map[string]string{"default_pool_size": "2"})
				o.Postgres = inspectRows(r.T, pooled, r.name).Postgres
			},
			wanted{"postgres/pooler", doctor.Warning, "a connection pooler is before the server", "migrate, publisher and projector"}, false,
		},
		"a pooler whose sessions cannot be used": {
			func(r *rowsRig, o *doctor.Options) {
				r.exec("ALTER ROLE CURRENT_USER IN DATABASE " + r.name + " SET default_transaction_isolation = 'serializable'")
				r.after("ALTER ROLE CURRENT_USER IN DATABASE " + r.name + " RESET default_transaction_isolation")
				o.Postgres = inspectRows(r.T, devservertest.PgBouncer(r, r.url, map[string]string{"default_pool_size": "2"}), r.name).Postgres
			},
			wanted{"postgres/pooler", doctor.Problem, `isolation "serializable"`, "ALTER ROLE"}, false,
		},
		"an old schema": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("UPDATE orderflow_schema_version SET version = version - 1")
				r.after("UPDATE orderflow_schema_version SET version = version + 1")
			},
			wanted{"postgres/schema", doctor.Problem, "this build needs", "orderflow migrate"}, false,
		},
		"a newer schema": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("UPDATE orderflow_schema_version SET version = version + 1")
				r.after("UPDATE orderflow_schema_version SET version = version - 1")
			},
			wanted{"postgres/schema", doctor.Warning, "newer than this build's", "release"}, false,
		},
		"commits that are not durable": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER DATABASE " + r.name + " SET synchronous_commit = off")
				r.after("ALTER DATABASE " + r.name + " RESET synchronous_commit")
			},
			wanted{"postgres/durability", doctor.Problem, "synchronous_commit is off", "synchronous_commit = on"}, false,
		},
		"a role whose commits are not durable": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER ROLE orderflow_worker IN DATABASE " + r.name + " SET synchronous_commit = off")
				r.after("ALTER ROLE orderflow_worker IN DATABASE " + r.name + " RESET synchronous_commit")
			},
			wanted{"postgres/durability", doctor.Problem, "synchronous_commit of role orderflow_worker is off", "role"}, false,
		},
		"a role that may not log in": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER ROLE orderflow_api NOLOGIN")
				r.after("ALTER ROLE orderflow_api LOGIN")
			},
			wanted{"postgres/roles", doctor.Warning, "without LOGIN: role orderflow_api", "ALTER ROLE orderflow_api LOGIN"}, false,
		},
		"no publication": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("DROP PUBLICATION orderflow")
				r.after("CREATE PUBLICATION orderflow FOR TABLE order_fulfillment_history WITH (publish = 'insert')")
			},
			wanted{"postgres/publication", doctor.Problem, "no publication", "orderflow setup --only postgres"}, false,
		},
		"a publication without its table": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER PUBLICATION orderflow SET TABLE customer_view")
				r.after("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history")
			},
			wanted{"postgres/publication", doctor.Problem, "has no table order_fulfillment_history", "orderflow setup --only postgres"}, false,
		},
		"a publication without inserts": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER PUBLICATION orderflow SET (publish = 'delete')")
				r.after("ALTER PUBLICATION orderflow SET (publish = 'insert')")
			},
			wanted{"postgres/publication", doctor.Problem, "sends no inserts", "orderflow setup --only postgres"}, false,
		},
		"a publication with a row filter": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history WHERE (revision > 1)")
				r.after("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history")
			},
			wanted{"postgres/publication", doctor.Problem, "row filter", "orderflow setup --only postgres"}, false,
		},
		"a publication with a column list": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history (order_id)")
				r.after("ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history")
			},
			wanted{"postgres/publication", doctor.Problem, "column list", "orderflow setup --only postgres"}, false,
		},
		"no slot": {
			func(r *rowsRig, _ *doctor.Options) { r.dropSlot() },
			wanted{"postgres/slot", doctor.Problem, "there is no replication slot", "orderflow publisher setup"}, true,
		},
		"a slot of another database": {
			func(r *rowsRig, _ *doctor.Options) {
				r.dropSlot()
				other, err := pgx.Connect(r.Context(), servers.Database(r.T))
				require.NoError(r, err)
				defer func() { _ = other.Close(r.Context()) }()
				_, err = other.Exec(r.Context(), "SELECT pg_create_logical_replication_slot($1, 'pgoutput')", r.name)
				require.NoError(r, err)
			},
			wanted{"postgres/slot", doctor.Problem, "used for something else", "Set PUBLISHER_SLOT to another name: another program may read this slot."}, true,
		},
		"no publisher": {
			func(r *rowsRig, _ *doctor.Options) { r.leave() },
			wanted{"postgres/publisher", doctor.Warning, "no publisher reads the slot", "Start a publisher"}, true,
		},
		"a publisher that is behind": {
			func(r *rowsRig, o *doctor.Options) {
				o.SlotLag = 1 << 20
				r.exec("SELECT pg_logical_emit_message(false, 'doctor', repeat('x', 3000000))")
			},
			wanted{"postgres/slot-lag", doctor.Warning, "of log behind", "orderflow_publisher_lag_seconds"}, false,
		},
		"a slot without a bound": {
			func(r *rowsRig, _ *doctor.Options) {
				r.configure("max_slot_wal_keep_size", "'-1'")
				r.Cleanup(func() { r.configure("max_slot_wal_keep_size", "'1GB'") })
			},
			wanted{"postgres/slot-bound", doctor.Warning, "unlimited", "Set max_slot_wal_keep_size"}, false,
		},
		"a standby that is gone": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("SELECT pg_create_physical_replication_slot('standby', true)")
				r.after("SELECT pg_drop_replication_slot('standby')")
			},
			wanted{"postgres/standbys", doctor.Warning, "no standby or backup reads slot standby", "Only if nothing will ever read the slot again: "}, false,
		},
		"a role that lacks a grant": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("REVOKE INSERT ON order_fulfillment FROM orderflow_worker")
				r.after("SELECT orderflow_grant_worker('orderflow_worker')")
			},
			wanted{"postgres/roles", doctor.Problem, "orderflow_worker lacks INSERT ON order_fulfillment", "deploy/roles.sql"}, false,
		},
		"a role that lacks a column": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("REVOKE SELECT (reason) ON order_fulfillment FROM orderflow_api")
				r.after("SELECT orderflow_grant_api('orderflow_api')")
			},
			wanted{"postgres/roles", doctor.Problem, "orderflow_api lacks SELECT (order_id, ", "deploy/roles.sql"}, false,
		},
		"a publisher's role that may not replicate": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER ROLE orderflow_publisher NOREPLICATION")
				r.after("ALTER ROLE orderflow_publisher REPLICATION")
			},
			wanted{"postgres/replication-role", doctor.Problem, "may not replicate", "ALTER ROLE orderflow_publisher REPLICATION"}, false,
		},
		"another role that may replicate": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER ROLE orderflow_api REPLICATION")
				r.after("ALTER ROLE orderflow_api NOREPLICATION")
			},
			wanted{"postgres/replication-role", doctor.Warning, "orderflow_api may replicate", "ALTER ROLE orderflow_api NOREPLICATION"}, false,
		},
		"a role of another name that lacks a grant": {
			func(r *rowsRig, o *doctor.Options) {
				r.createRole("shop")
				r.exec("SELECT orderflow_grant_worker('shop')")
				r.exec("REVOKE UPDATE ON email_delivery FROM shop")
				*o = r.as("shop", "secret")
				o.As = "worker"
			},
			wanted{"postgres/rights", doctor.Problem, "role shop lacks UPDATE ON email_delivery", "orderflow_grant_worker('shop')"}, false,
		},
		"a binary that is a superuser": {
			func(_ *rowsRig, o *doctor.Options) { o.As = "api" },
			wanted{"postgres/rights", doctor.Warning, "is a superuser", "deploy/roles.sql"}, false,
		},
		"too few connections": {
			func(r *rowsRig, _ *doctor.Options) {
				r.exec("ALTER DATABASE " + r.name + " CONNECTION LIMIT 20")
				r.after("ALTER DATABASE " + r.name + " CONNECTION LIMIT -1")
			},
			wanted{"postgres/connections", doctor.Warning, "20 connections are allowed", "Raise the limit"}, false,
		},
		"a wrong password": {
			func(r *rowsRig, o *doctor.Options) {
				r.createRole("shop")
				*o = r.as("shop", "wrong")
			},
			wanted{"postgres/reachable", doctor.Problem, "28P01", "POSTGRES_URL"}, false,
		},
		"a server that is not there": {
			func(r *rowsRig, o *doctor.Options) {
				*o = inspectRows(r.T, fmt.Sprintf("postgres://u:p@%s/d?sslmode=disable", devservertest.Address(r.T)), r.name)
			},
			wanted{"postgres/reachable", doctor.Failed, "refused", "POSTGRES_URL"}, false,
		},
	} {
		t.Run("finds "+name, func(t *testing.T) {
			r := shared.within(t)
			if c.own {
				r = newRowsRig(t)
			}
			o := r.options()
			c.damage(r, &o)
			requireOnly(t, run(t, o), c.want)
		})
	}
	t.Run("accepts a role of another name with the binary's grants", func(t *testing.T) {
		r := shared.within(t)
		for binary := range postgres.Roles() {
			role := "shop_" + binary
			r.createRole(role)
			r.exec("SELECT orderflow_grant_" + binary + "('" + role + "')")
			if binary == "publisher" {
				r.exec("ALTER ROLE " + role + " REPLICATION")
			}
			o := r.as(role, "secret")
			o.As = binary
			results := run(t, o)
			require.Empty(t, findings(results), binary)
			require.Equal(t, doctor.OK, resultOf(t, results, "postgres/rights").Status, binary)
		}
	})
	t.Run("accepts a pooler before reconcile", func(t *testing.T) {
		r := shared.within(t)
		o := inspectRows(t, devservertest.PgBouncer(r, r.url, map[string]string{"default_pool_size": "2"}), r.name)
		o.As = "reconcile"
		require.Equal(t, doctor.OK, resultOf(t, run(t, o), "postgres/pooler").Status)
	})
	t.Run("accepts a publisher's role that replicates by rds_replication", func(t *testing.T) {
		r := shared.within(t)
		r.exec("CREATE ROLE rds_replication")
		r.after("DROP ROLE rds_replication")
		r.exec("ALTER ROLE orderflow_publisher NOREPLICATION")
		r.after("ALTER ROLE orderflow_publisher REPLICATION")
		r.exec("GRANT rds_replication TO orderflow_publisher")
		require.Empty(t, findings(run(t, r.options())))
	})
	t.Run("quotes the name of a role", func(t *testing.T) {
		r := shared.within(t)
		r.createRole(`"o'brien"`)
		o := r.as("o'brien", "secret")
		o.As = "worker"
		require.Contains(t, resultOf(t, run(t, o), "postgres/rights").Do, `SELECT orderflow_grant_worker('o''brien')`)
	})
	t.Run("finds another wal_level", func(t *testing.T) {
		server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
			Dir: filepath.Join(t.TempDir(), "postgres"), Settings: map[string]string{"wal_level": "replica", "max_slot_wal_keep_size": "1GB"},
		})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
		require.NoError(t, postgres.Migrate(t.Context(), server.URL, slog.New(slog.DiscardHandler)))
		requireOnly(t, run(t, inspectRows(t, server.URL, "orderflow")),
			wanted{"postgres/wal-level", doctor.Problem, "wal_level = replica", "wal_level = logical"})
	})
	t.Run("writes nothing", func(t *testing.T) {
		r := shared.within(t)
		state := func() (text string) {
			require.NoError(t, r.db.QueryRow(t.Context(), `
SELECT concat_ws(' ', pg_snapshot_xmax(pg_current_snapshot()), (SELECT string_agg(concat(slot_name, confirmed_flush_lsn), ',' ORDER BY 1)
    FROM pg_replication_slots), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_roles))`).Scan(&text))
			return text
		}
		before := state()
		for _, as := range append(doctor.Binaries(), "") {
			o := r.options()
			o.As = as
			run(t, o)
		}
		require.Equal(t, before, state(), "a transaction that writes takes a number")
	})
	t.Run("finds a lost slot", func(t *testing.T) { // last: the shared slot is lost too
		r := newRowsRig(t)
		r.lose()
		requireOnly(t, run(t, r.options()), wanted{"postgres/slot", doctor.Problem, "is lost", "max_slot_wal_keep_size"})
	})
}

func TestPostgres17(t *testing.T) {
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: filepath.Join(t.TempDir(), "postgres"), BinDir: devservertest.Postgres17(t), Settings: map[string]string{"autovacuum": "off"},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	require.NoError(t, postgres.Migrate(t.Context(), server.URL, slog.New(slog.DiscardHandler)))
	r := newRowsRigOn(t, server.URL)
	require.Empty(t, findings(run(t, r.options())))

	r.exec("SELECT pg_create_physical_replication_slot('standby', true)")
	requireOnly(t, run(t, r.options()), wanted{"postgres/standbys", doctor.Warning, "no standby or backup reads slot standby", "Only if"})
	r.configure("synchronized_standby_slots", "'standby'")
	requireOnly(t, run(t, r.options()), wanted{"postgres/standbys", doctor.Problem, "has standby, which no standby reads", "Start the standby"})
	r.configure("synchronized_standby_slots", "''")
	r.exec("SELECT pg_drop_replication_slot('standby')")

	r.leave()
	r.exec("SELECT pg_drop_replication_slot('" + r.name + "'), pg_create_logical_replication_slot('" + r.name + "', 'pgoutput')")
	r.connect()
	require.NoError(t, r.reader.Start(t.Context()))
	requireOnly(t, run(t, r.options()), wanted{"postgres/failover", doctor.Warning, "not copied to standbys", "orderflow publisher setup"})
}
