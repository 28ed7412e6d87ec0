package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

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

// Slot is a logical replication slot, as the server describes it.
type Slot struct {
	Name      string
	Confirmed LSN  // everything below was confirmed and will not be sent again
	Lost      bool // the server removed log that the slot needs: max_slot_wal_keep_size
	Active    bool // a reader is connected
	Failover  bool // copied to the standbys that synchronize slots; false before PostgreSQL 17
}

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

// CheckPublishing checks that the server can publish, and returns an opaque text that
// differs after every change to the publication. It returns a *config.Error about
// POSTGRES_URL if the server's configuration does not allow publishing, and
// ErrNoPublication if the publication was removed or narrowed.
func (s *Store) CheckPublishing(ctx context.Context) (publication string, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var level string
	var complete bool
	err = s.pool.QueryRow(ctx, selectPublication, publicationName, "public."+historyTable).Scan(&level, &complete, &publication)
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

// FindSlot looks up a slot; ok is false if there is none. It returns a *config.Error
// about PUBLISHER_SLOT if the slot is of another kind or belongs to another database.
func (s *Store) FindSlot(ctx context.Context, name string) (slot Slot, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	var kind, plugin, status, confirmed string
	var here bool
	err = s.pool.QueryRow(ctx, `
SELECT slot_name, slot_type, coalesce(plugin, ''), coalesce(database = current_database(), false) AND NOT temporary,
    coalesce(wal_status, ''), coalesce(confirmed_flush_lsn, '0/0')::text, active,
    coalesce((to_jsonb(s) ->> 'failover')::boolean, false)
FROM pg_replication_slots s WHERE slot_name = $1`, name).
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
func (s *Store) SlotLag(ctx context.Context, name string, reached LSN) (bytes int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.CallTimeout)
	defer cancel()
	err = s.pool.QueryRow(ctx, `
SELECT greatest(0, pg_current_wal_lsn() - greatest(confirmed_flush_lsn, $2::text::pg_lsn))::bigint
FROM pg_replication_slots WHERE slot_name = $1`, name, reached.String()).Scan(&bytes)
	if errors.Is(err, pgx.ErrNoRows) {
		return 0, ErrSlotLost
	}
	return bytes, describe("measure lag", err)
}
