package collect

import (
	"context"
	"fmt"
	"time"

	"orderflow/dev/checker/internal/facts"
)

// Sources says where the stores are. Temporal's address comes from its SDK's own environment.
type Sources struct {
	KurrentURL  string
	Stream      string // the subscription's
	Group       string
	PostgresURL string
	InboxURL    string
	Temporal    map[string]string // the TEMPORAL_ variables
	LogDir      string            // scanned for personal data; empty for none
	Publisher   bool              // a publisher was there: what it did is read
	View        bool              // a projector was there: what it made is read
	Lost        []facts.Span      // in which PostgreSQL's commits were lost
}

// reader carries what is being collected. The stores are read in the order in which orders go through them, so that an
// effect is not missed that came while the checker was reading.
type reader struct {
	sources  Sources
	facts    *facts.Facts
	canaries *Canaries
	links    map[string]map[uint64]bool // by order and revision, what the group's stream links to
	patience time.Duration              // with a group that has not written down yet how far it is
}

// All reads every store. Any error means that the facts are not all there.
func All(ctx context.Context, sources Sources) (*facts.Facts, error) {
	r := &reader{sources: sources, facts: facts.New(), canaries: NewCanaries(), patience: checkpointWait}
	for _, part := range []struct {
		name string
		read func(context.Context) error
	}{
		{"publisher's backlog", r.backlog}, {"KurrentDB", r.kurrent}, {"Temporal", r.temporal}, {"PostgreSQL", r.postgres}, {"inbox", r.inbox}, {"logs", r.logs},
	} {
		if err := part.read(ctx); err != nil {
			return nil, fmt.Errorf("read %s: %w", part.name, err)
		}
	}
	r.facts.Lost = sources.Lost
	r.facts.Scanned = r.canaries.Scanned()
	return r.facts, nil
}

// scan looks for personal data of any order in what may hold none.
func (r *reader) scan(data []byte, where, orderID, what string) {
	if r.canaries.Find(data) {
		r.facts.Leaks = append(r.facts.Leaks, facts.Leak{Where: where, Order: orderID, What: what})
	}
}
