package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/config"
)

// The publication that the migrations make, and the table it publishes the inserts of.
const (
	publicationName  = "orderflow"
	historyTable     = "order_fulfillment_history"
	decoderPlugin    = "pgoutput"
	decoderVersion   = "1" // whole transactions, in the order they committed
	statusLost       = "lost"
	logicalSlotType  = "logical"
	logicalLevelName = "logical"
)

// ErrNoPublication says that the publication is missing or keeps something of what the publisher needs to itself.
var ErrNoPublication = errors.New("publication " + publicationName + " does not publish every insert of " + historyTable +
	", without a row filter and a column list")

// Slot is a logical replication slot, as the server describes it.
type Slot struct {
	Name      string
	Confirmed LSN  // what is below was confirmed, and will not be sent again
	Lost      bool // the server has dropped log that was needed: max_slot_wal_keep_size
	Active    bool // somebody reads it
	Failover  bool // copied to the standbys that synchronize slots; false before PostgreSQL 17
}

// selectPublication reads whether the publication sends every insert whole, and what changes with every change to it: each
// ALTER PUBLICATION writes a row of the catalog again, under the number of its own transaction. A schema that is published
// does not count, for nothing here would tell that it was taken out and put back. The JSON passes over columns that
// PostgreSQL 14 does not have.
const selectPublication = `
SELECT current_setting('wal_level'),
    coalesce(bool_or(p.pubinsert AND (p.puballtables OR r.oid IS NOT NULL)
        AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL), false),
    coalesce(string_agg(concat_ws('.', p.oid, p.xmin, r.oid, r.xmin), ' '), '')
FROM pg_publication p LEFT JOIN pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = to_regclass($2)
WHERE p.pubname = $1`

// CheckPublishing reports whether the server can publish at all, and returns which publication it has: an opaque text that
// differs after every change to it. A server that cannot publish, because of how it is set up, is a *config.Error about
// POSTGRES_URL; a publication that somebody took away or narrowed is ErrNoPublication.
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

// FindSlot looks a slot up; ok is false when there is none. One of another kind, or of another database, is a *config.Error
// about PUBLISHER_SLOT.
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

// SlotLag is how many bytes of log the server has written beyond a slot's confirmed position, or beyond reached, if that
// is further: a publisher that has nothing to do confirms seldom. A slot that is not there is ErrSlotLost.
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
