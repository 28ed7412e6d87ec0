package doctor

import (
	"fmt"
	"slices"
	"strings"
)

// failoverPostgres is PostgreSQL 17, which copies slots to standbys, as
// server_version_num.
const failoverPostgres = 170_000

func walLevel(f *facts) Result {
	if level := f.postgres.Server.WALLevel; level != "logical" {
		return problem("wal_level = "+level, "The publisher cannot read the log: nothing is published.",
			"Set wal_level = logical in postgresql.conf and restart the server.")
	}
	return ok("wal_level = logical")
}

func publication(f *facts) Result {
	const repair = "orderflow setup --only postgres, as the owner of the database: it keeps the publication's other tables and operations"
	p := f.postgres.Publication
	var found string
	switch {
	case !f.postgres.Schema.Exists:
		return notChecked("there is no schema")
	case !p.Exists:
		return problem("there is no publication orderflow", "Nothing is published.",
			"orderflow setup --only postgres, as the owner of the database")
	case !p.HasTable:
		found = "the publication has no table order_fulfillment_history"
	case !p.Inserts:
		found = "the publication sends no inserts"
	case p.Filtered:
		found = "the publication has a row filter"
	case p.Columns:
		found = "the publication has a column list"
	default:
		return ok("the publication sends every insert of the history whole")
	}
	return problem(found, "Versions are withheld from the log, so the publisher stops.", repair)
}

func slot(f *facts) Result {
	name, s := f.options.Slot, f.postgres.Slot
	switch {
	case s == nil && f.postgres.Server.WALLevel != "logical":
		return notChecked("a server without wal_level = logical has no such slots")
	case s == nil:
		return problem("there is no replication slot "+name, "Versions are not kept for the publisher, which would read the whole history.",
			"orderflow publisher setup, or start the publisher")
	case !s.Ours:
		return problem("slot "+name+" is used for something else", "The publisher refuses it.",
			"Set PUBLISHER_SLOT to another name: another program may read this slot.")
	case s.Status == "lost":
		return problem("slot "+name+" is lost: the server removed log that it needs", "The publisher has to read the whole history again.",
			"Start the publisher, which replaces it; raise max_slot_wal_keep_size if that happens while a publisher runs.")
	case s.Status == "unreserved":
		return problem("slot "+name+" is about to be lost", "The next checkpoint may remove log that it needs.", "Start the publisher now, or raise max_slot_wal_keep_size.")
	default:
		return ok("slot %s exists, its log is kept (%s)", name, s.Status)
	}
}

// slotResult returns the result of a check of a slot that cannot be judged.
func (f *facts) slotResult() (Result, bool) {
	if s := f.postgres.Slot; s == nil || !s.Ours || s.Status == "lost" {
		return notChecked("there is no usable slot"), true
	}
	return Result{}, false
}

func publisher(f *facts) Result {
	if r, unusable := f.slotResult(); unusable {
		return r
	}
	if !f.postgres.Slot.Active {
		return warning("no publisher reads the slot", "Nothing is published, and the server keeps its log for it.",
			"Start a publisher; if one runs, its /readyz says what is missing. If there is to be none: SELECT pg_drop_replication_slot('"+f.options.Slot+"')")
	}
	return ok("a publisher reads the slot")
}

func slotLag(f *facts) Result {
	if r, unusable := f.slotResult(); unusable {
		return r
	}
	lag := f.postgres.Slot.Lag
	if lag > f.options.SlotLag {
		return warning(fmt.Sprintf("the publisher is %s of log behind", size(lag)), "Published orders and the customer view are old, and the log fills the disk.",
			"Look at the publisher's log and orderflow_publisher_lag_seconds.")
	}
	return ok("the publisher is %s of log behind", size(lag))
}

func slotBound(f *facts) Result {
	keep := f.postgres.Server.KeepMiB
	if keep < 0 {
		return warning("max_slot_wal_keep_size is unlimited", "A publisher that is down for long fills the server's disk.",
			"Set max_slot_wal_keep_size to what the disk can spare. A slot beyond it is lost, and the publisher reads the history again.")
	}
	return ok("a slot keeps at most %s of log", size(keep<<20))
}

func size(bytes int64) string {
	if bytes < 10<<20 {
		return fmt.Sprintf("%d KiB", bytes>>10)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}

func failover(f *facts) Result {
	if f.postgres.Server.Version < failoverPostgres {
		return notChecked("PostgreSQL before 17 copies no slots to standbys: after a failover the publisher reads the history again")
	}
	if r, unusable := f.slotResult(); unusable {
		return r
	}
	if !f.postgres.Slot.Failover {
		return warning("the slot is not copied to standbys", "After a failover it is gone, and the publisher reads the whole history.",
			"orderflow publisher setup while no publisher runs, or restart the publisher")
	}
	return ok("the slot is copied to standbys that run with sync_replication_slots = on")
}

func standbys(f *facts) Result {
	s := f.postgres
	if len(s.Standbys) == 0 {
		return ok("no standby follows through a slot")
	}
	var names, gone, silent, unsynced []string
	synchronized := strings.Fields(strings.ReplaceAll(s.Server.SyncedSlots, ",", " "))
	for _, standby := range s.Standbys {
		names = append(names, standby.Slot)
		switch {
		case !standby.Active:
			gone = append(gone, standby.Slot)
		case !standby.Feedback:
			silent = append(silent, standby.Slot)
		}
		if !slices.Contains(synchronized, standby.Slot) {
			unsynced = append(unsynced, standby.Slot)
		}
	}
	slots := s.Server.Version >= failoverPostgres
	switch {
	case len(gone) > 0:
		return warning("no standby reads slot "+list(gone), "The server keeps its log for it; named in synchronized_standby_slots, it also stops publishing.",
			"Start the standby. Only if nothing will ever read the slot again: SELECT pg_drop_replication_slot('"+gone[0]+"')")
	case slots && len(silent) > 0:
		return warning("the standby of slot "+list(silent)+" sends no feedback", "It cannot keep a copy of the publisher's slot.",
			"On the standby: hot_standby_feedback = on and sync_replication_slots = on")
	case slots && len(unsynced) > 0:
		return warning("synchronized_standby_slots lacks "+list(unsynced), "Versions are published that the standby does not have: after a failover, events describe rows that are gone.",
			"On the primary: synchronized_standby_slots = '"+strings.Join(names, ",")+"'")
	default:
		return ok("standbys follow through %s", list(names))
	}
}
