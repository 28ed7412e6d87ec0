package collect

import (
	"context"
	"fmt"
	"time"

	"orderflow/dev/checker/internal/facts"
)

// Sources are the locations of the stores. Temporal's address comes from the environment
// of its SDK.
type Sources struct {
	KurrentURL  string
	Stream      string // the subscription's
	Group       string
	PostgresURL string
	InboxURL    string
	Temporal    map[string]string // the TEMPORAL_ variables
	LogDir      string            // scanned for personal data; empty means none
	Publisher   bool              // a publisher ran: read what it published
	View        bool              // a projector ran: read what it wrote
	Lost        []facts.Span      // spans in which PostgreSQL's commits were lost
	Rewound     []facts.Span      // spans in which KurrentDB's events were lost
}

// reader holds the facts during collection. It reads the stores in the order in which
// orders pass through them, so that it does not miss an effect that occurs while it
// reads.
type reader struct {
	sources  Sources
	facts    *facts.Facts
	markers  *PIIMarkers
	links    map[string]map[uint64]bool // by order and revision, what the group's stream links to
	patience time.Duration              // how long a group may take to write its checkpoint
}

// All reads every store. If it returns an error, the facts are incomplete.
func All(ctx context.Context, sources Sources) (*facts.Facts, error) {
	r := &reader{sources: sources, facts: facts.New(), markers: NewPIIMarkers(), patience: checkpointWait}
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
	r.facts.Lost, r.facts.Rewound = sources.Lost, sources.Rewound
	r.facts.Scanned = r.markers.Scanned()
	return r.facts, nil
}

// scan searches data that must not contain personal data for that of any order.
func (r *reader) scan(data []byte, where, orderID, what string) {
	if r.markers.Find(data) {
		r.facts.Leaks = append(r.facts.Leaks, facts.Leak{Where: where, Order: orderID, What: what})
	}
}
