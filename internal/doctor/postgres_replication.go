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

// physicalSlots are the slots of standbys and backups, by what is wrong with them.
type physicalSlots struct {
	names, unread []string
	fed           []string // with hot_standby_feedback
	synchronized  []string // in synchronized_standby_slots: of standbys that a failover may choose
	stopping      []string // those of them that nothing reads, or that do not exist
	silent        []string // those of them without feedback
}

func (f *facts) physicalSlots() (p physicalSlots) {
	var read []string
	for _, s := range f.postgres.Standbys {
		p.names = append(p.names, s.Slot)
		if s.Active {
			read = append(read, s.Slot)
		} else {
			p.unread = append(p.unread, s.Slot)
		}
		if s.Feedback {
			p.fed = append(p.fed, s.Slot)
		}
	}
	p.synchronized = strings.FieldsFunc(f.postgres.Server.SyncedSlots, func(r rune) bool { return strings.ContainsRune(`, "`, r) })
	p.stopping, p.silent = without(p.synchronized, read), without(p.synchronized, p.fed)
	return p
}

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}

// standbys judges only the slots in synchronized_standby_slots as those of standbys that
// a failover may choose. Backups and read replicas have physical slots as well.
func standbys(f *facts) Result {
	p, copied := f.physicalSlots(), f.postgres.Slot != nil && f.postgres.Slot.Failover
	switch {
	case copied && len(p.stopping) > 0:
		return problem("synchronized_standby_slots has "+list(p.stopping)+", which no standby reads", "Nothing is published until one does.",
			"Start the standby, or take a slot that is no longer used out of synchronized_standby_slots.")
	case len(p.unread) > 0:
		return warning("no standby or backup reads slot "+list(p.unread), "The server keeps its log for it.",
			"Start what reads it. Only if nothing will ever read the slot again: SELECT pg_drop_replication_slot('"+p.unread[0]+"')")
	case copied && len(p.silent) > 0:
		return warning("the standby of slot "+list(p.silent)+" sends no feedback", "It cannot keep a copy of the publisher's slot.",
			"On the standby: hot_standby_feedback = on and sync_replication_slots = on")
	case copied && len(p.synchronized) == 0 && len(p.fed) > 0:
		return warning("synchronized_standby_slots is empty",
			"Versions may be published that a standby does not have: after a failover to it, events describe rows that are gone.",
			"Name the slots of the standbys that a failover may choose, and no others: while a named slot has no reader, nothing is published.")
	case len(p.names) == 0:
		return ok("no standby follows through a slot")
	default:
		return ok("physical slots, each with a reader: %s", list(p.names))
	}
}
