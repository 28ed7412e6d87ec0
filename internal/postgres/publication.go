package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"orderflow/internal/config"
)

// The publication that the migrations create, and the table whose inserts it publishes.
const (
	publicationName  = "orderflow"
	historyTable     = "order_fulfillment_history"
	decoderPlugin    = "pgoutput"
	decoderVersion   = "1" // whole transactions, in the order they committed
	statusLost       = "lost"
	logicalSlotType  = "logical"
	logicalLevelName = "logical"
)

// ErrNoPublication means that the publication is missing, or withholds something that the
// publisher needs.
var ErrNoPublication = errors.New("publication " + publicationName + " does not publish every insert of " + historyTable +
	", without a row filter and a column list")

// LSN is a position in the server's write-ahead log, in bytes from its beginning. 0 means
// none.
type LSN uint64

// String returns the form that PostgreSQL writes: 0/1A2B3C4.
func (l LSN) String() string { return pglogrepl.LSN(l).String() }

func parseLSN(text string) (LSN, error) {
	lsn, err := pglogrepl.ParseLSN(text)
	return LSN(lsn), err
}

// Slot is a logical replication slot, as the server describes it.
type Slot struct {
	Name      string
	Confirmed LSN  // everything below was confirmed and will not be sent again
	Lost      bool // the server removed log that the slot needs: max_slot_wal_keep_size
	Active    bool // a reader is connected
	Failover  bool // copied to the standbys that synchronize slots; false before PostgreSQL 17
}

// Publication is the logical replication of the history: PostgreSQL's publication of it,
// the slots through which it is read, and the role that reads it. It is safe for
// concurrent use.
type Publication struct{ pool *Pool }

// NewPublication returns the publication in the pool's database.
func NewPublication(pool *Pool) *Publication { return &Publication{pool: pool} }

// selectPublication reads whether the publication sends every insert whole, and a text
// that changes with every change to the publication: each ALTER PUBLICATION rewrites a
// row of the catalog under its own transaction number. A published schema does not count,
// because nothing here would show that it was removed and added again. The JSON avoids
// naming columns that PostgreSQL 14 does not have.
const selectPublication = `
SELECT current_setting('wal_level'),
    coalesce(bool_or(p.pubinsert AND (p.puballtables OR r.oid IS NOT NULL)
        AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL), false),
    coalesce(string_agg(concat_ws('.', p.oid, p.xmin, r.oid, r.xmin), ' '), '')
FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = to_regclass($2)
WHERE p.pubname = $1`

// Check checks that the server can publish, and returns an opaque text that
// differs after every change to the publication. It returns a *config.Error about
// POSTGRES_URL if the server's configuration does not allow publishing, and
// ErrNoPublication if the publication was removed or narrowed.
func (p *Publication) Check(ctx context.Context) (publication string, err error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	var level string
	var complete bool
	err = p.pool.db.QueryRow(ctx, selectPublication, publicationName, "public."+historyTable).Scan(&level, &complete, &publication)
	switch {
	case err != nil:
		return "", describe("check publication", err)
	case level != logicalLevelName:
		return "", config.Invalid("POSTGRES_URL", "must be a server that runs with wal_level=logical; this one runs with wal_level=%s: "+
			"change it in postgresql.conf and restart the server", level)
	case !complete:
		return "", ErrNoPublication
	default:
		return publication, nil
	}
}

// selectSlot reads a slot, and whether it is one of this database that lasts. The JSON
// avoids naming a column that PostgreSQL 16 does not have.
const selectSlot = `
SELECT slot_name, slot_type, coalesce(plugin, ''), coalesce(database = current_database(), false) AND NOT temporary,
    coalesce(wal_status, ''), coalesce(confirmed_flush_lsn, '0/0')::text, active,
    coalesce((to_jsonb(s) ->> 'failover')::boolean, false)
FROM pg_replication_slots s WHERE slot_name = $1`

// selectSlotLag reads how far the log is ahead of a slot, or of a position if that is
// further.
const selectSlotLag = `
SELECT greatest(0, pg_current_wal_lsn() - greatest(confirmed_flush_lsn, $2::text::pg_lsn))::bigint
FROM pg_replication_slots WHERE slot_name = $1`

// FindSlot looks up a slot; ok is false if there is none. It returns a *config.Error
// about PUBLISHER_SLOT if the slot is of another kind or belongs to another database.
func (p *Publication) FindSlot(ctx context.Context, name string) (slot Slot, ok bool, err error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	var kind, plugin, status, confirmed string
	var here bool
	err = p.pool.db.QueryRow(ctx, selectSlot, name).
		Scan(&slot.Name, &kind, &plugin, &here, &status, &confirmed, &slot.Active, &slot.Failover)
	if errors.Is(err, pgx.ErrNoRows) {
		return Slot{}, false, nil
	}
	if err != nil {
		return Slot{}, false, describe("look up slot", err)
	}
	if kind != logicalSlotType || plugin != decoderPlugin || !here {
		return Slot{}, false, config.Invalid("PUBLISHER_SLOT", "must name a slot of our own; %s is used for something else", name)
	}
	slot.Lost = status == statusLost
	if slot.Confirmed, err = parseLSN(confirmed); err != nil {
		return Slot{}, false, fmt.Errorf("look up slot: %w", err)
	}
	return slot, true, nil
}

// SlotLag returns how many bytes of log the server has written beyond a slot's confirmed
// position, or beyond reached if that is further: an idle publisher seldom confirms. It
// returns ErrSlotLost if there is no such slot.
func (p *Publication) SlotLag(ctx context.Context, name string, reached LSN) (bytes int64, err error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	err = p.pool.db.QueryRow(ctx, selectSlotLag, name, reached.String()).Scan(&bytes)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrSlotLost
	}
	return bytes, describe("measure lag", err)
}

// ErrMayNotGrant means that the connected role may not create roles that replicate, or
// grant rights on the tables.
var ErrMayNotGrant = errors.New("this role may not do that: connect as a superuser")

// PrepareRole grants a role what the publisher needs: LOGIN, REPLICATION and the
// rights on its tables. It creates a role that is missing, without a password, and
// returns what it did, one line per step. It may be repeated.
func (p *Publication) PrepareRole(ctx context.Context, role string) (did []string, err error) {
	ctx, cancel := p.pool.withDeadline(ctx)
	defer cancel()
	err = pgx.BeginFunc(ctx, p.pool.db, func(tx pgx.Tx) error {
		step, err := ensureRole(ctx, tx, role)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `SELECT orderflow_grant_publisher($1::name)`, role)
		did = []string{
			fmt.Sprintf("role %s: %s", role, step),
			fmt.Sprintf("role %s: may read and prune the history and write the publisher's own tables", role),
		}
		return err
	})
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "42501" {
		return nil, fmt.Errorf("prepare role: %w", ErrMayNotGrant)
	}
	if err != nil {
		return nil, describe("prepare role", err)
	}
	return did, nil
}

const (
	// mayReplicate is the condition on a row of pg_roles that the role has the right to
	// replicate. On Amazon RDS, where no caller may set REPLICATION, the members of
	// rds_replication have it.
	mayReplicate = `(rolreplication OR coalesce(pg_has_role(oid, to_regrole('rds_replication')::oid, 'MEMBER'), false))`

	// replicates is the condition that the role can replicate, with that right or without.
	replicates = `(rolsuper OR ` + mayReplicate + `)`
)

func ensureRole(ctx context.Context, tx pgx.Tx, role string) (did string, err error) {
	var already, rds, missing bool
	name := pgx.Identifier{role}.Sanitize()
	err = tx.QueryRow(ctx, `SELECT coalesce(bool_or(`+replicates+`), false), to_regrole('rds_replication') IS NOT NULL, count(*) = 0
		FROM pg_roles WHERE rolname = $1`, role).Scan(&already, &rds, &missing)
	if err != nil {
		return "", err
	}
	if already {
		return "may replicate already", nil
	}
	did = "may replicate now"
	if missing {
		if _, err := tx.Exec(ctx, `CREATE ROLE `+name+` LOGIN`); err != nil {
			return "", err
		}
		did = "made; it may log in and replicate, and has no password yet"
	}
	if rds {
		_, err = tx.Exec(ctx, `GRANT rds_replication TO `+name)
	} else {
		_, err = tx.Exec(ctx, `ALTER ROLE `+name+` REPLICATION`)
	}
	return did, err
}
