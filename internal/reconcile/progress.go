package reconcile

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"orderflow/internal/kurrent"
)

// heartbeatEvery is the time between two heartbeats if the options do not say.
const heartbeatEvery = 10 * time.Second

// errNotReached means that the log ends before the position to resume at, as after a
// restore from a backup.
var errNotReached = errors.New("the log ends before the position to resume at")

// part is a part of a comparison. The parts follow each other.
type part string

const (
	partLog       part = "log"       // the events of the log, up to Position
	partRows      part = "rows"      // the rows, up to Row
	partWorkflows part = "workflows" // the list of workflows, which is read as a whole
)

// Progress is how far a comparison has come, and what it has found so far. Its JSON
// encoding has order ids and counts, and no personal data.
type Progress struct {
	Part     part             `json:"part"`
	Position kurrent.Position `json:"position"`      // everything up to here was checked
	Row      string           `json:"row,omitempty"` // the last order whose row was checked
	Counts   Counts           `json:"counts"`
	FixedOf  map[kind]int     `json:"fixedOf,omitempty"`
	Listed   []*difference    `json:"listed,omitempty"` // ids and kinds only
	More     int              `json:"more,omitempty"`
}

// progress follows a comparison, for its heartbeats and for resuming it. Its methods other
// than beat are for one goroutine. The zero value has no heartbeats.
type progress struct {
	heartbeat func(Progress) // nil for none
	every     time.Duration
	from      Progress // where the comparison resumes; zero at its beginning

	visited bool             // an event was visited since advance was called
	at      kurrent.Position // of the last visited event
	passed  bool             // from.Position was reached

	mu      sync.Mutex
	saved   Progress
	savedAt time.Time
	sentAt  time.Time
}

func (p *progress) begin(o Options) {
	p.heartbeat, p.every, p.savedAt = o.Heartbeat, cmp.Or(o.HeartbeatEvery, heartbeatEvery), time.Now()
	if o.Resume != nil {
		p.from = *o.Resume
	}
	p.saved, p.at = p.from, p.from.Position
	p.passed = p.at == kurrent.Position{}
}

// advance notes that the log was visited up to a position. Only the positions of events
// count, because the server sends the same events to every scan, and other positions at
// its discretion.
func (p *progress) advance(to kurrent.Position) {
	p.beat()
	if !p.visited {
		return
	}
	p.visited = false
	if p.passed {
		p.at = to
		return
	}
	from := p.from.Position
	p.passed = to.Commit > from.Commit || to.Commit == from.Commit && to.Prepare >= from.Prepare
}

// skips notes that an event is visited, and reports whether an earlier attempt has checked
// it.
func (p *progress) skips() bool {
	p.visited = true
	return p.behind()
}

// behind reports whether the position to resume at was not reached yet.
func (p *progress) behind() bool { return !p.passed }

// part returns the part to save while the log is read: an earlier attempt may have come
// further than the log.
func (p *progress) part() part { return cmp.Or(p.from.Part, partLog) }

// done reports whether an earlier attempt has checked a part as a whole.
func (p *progress) done(which part) bool { return which == partRows && p.from.Part == partWorkflows }

// due reports whether it is time to save the progress.
func (p *progress) due() bool { return p.heartbeat != nil && time.Since(p.savedAt) >= p.every }

// beat sends a heartbeat with the saved progress, if the last one is old enough. It is safe
// for concurrent use.
func (p *progress) beat() {
	if p.heartbeat == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.sentAt) >= p.every {
		p.sentAt = time.Now()
		p.heartbeat(p.saved)
	}
}

// store replaces the saved progress, and sends it.
func (p *progress) store(now Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.saved, p.savedAt, p.sentAt = now, time.Now(), time.Now()
	p.heartbeat(now)
}

// save saves the progress: everything up to the last visited event, and in partRows up to
// a row, was checked. It first waits for pending remedies, for it does not keep them.
func (r *reconciliation) save(ctx context.Context, which part, row string) error {
	if r.progress.heartbeat == nil {
		return nil
	}
	if err := r.awaitRemedies(ctx); err != nil {
		return err
	}
	now := Progress{Part: which, Position: r.progress.at, Row: row}
	r.report.saveTo(&now)
	r.progress.store(now)
	return nil
}

// resume continues with what an earlier attempt had found. It knows only the listed
// orders as reported: if there were more, parked events of those beyond count again, and so
// may an extra order of which there is another trace.
func (r *reconciliation) resume(from *Progress) {
	if from == nil {
		return
	}
	r.report.Counts, r.report.More = from.Counts, from.More
	for what, n := range from.FixedOf {
		r.report.fixedOf[what] = n
	}
	for _, d := range from.Listed {
		r.report.Differences = append(r.report.Differences, d)
		switch d.Kind {
		case missing:
			r.missing.add(d.OrderID)
		case extra:
			r.unknownOrders.add(d.OrderID)
		}
	}
	r.logger.Info("resuming comparison",
		"part", string(from.Part), "checked", from.Counts.Checked, "position", from.Position.Commit)
}

// saveTo adds the findings to a progress, without details.
func (r *Findings) saveTo(p *Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Counts, p.More, p.FixedOf = r.Counts, r.More, map[kind]int{}
	for what, n := range r.fixedOf {
		p.FixedOf[what] = n
	}
	for _, d := range r.Differences {
		p.Listed = append(p.Listed, &difference{OrderID: validOrNone(d.OrderID), Kind: d.Kind, Fixed: d.Fixed})
	}
}
