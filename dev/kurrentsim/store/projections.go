package store

import (
	"encoding/json"
	"errors"
)

// ProjectionStatus is what a server says about a projection.
type ProjectionStatus string

// What a system projection can be.
const (
	ProjectionRunning ProjectionStatus = "Running"
	ProjectionStopped ProjectionStatus = "Stopped"
	ProjectionFaulted ProjectionStatus = "Faulted"
)

// ErrNoProjection says that there is no projection of that name.
var ErrNoProjection = errors.New("projection does not exist")

// A projection's stream says whether it is enabled, so a server that is started again knows.
const (
	projectionPrefix      = "$projections-"
	typeProjectionUpdated = "$ProjectionUpdated"
)

// projectionNames are the system projections, by the kind of link they write.
func projectionNames() [derivedKinds]string {
	return [derivedKinds]string{
		linkByCategory: "$by_category", linkByType: "$by_event_type", linkStreams: "$streams",
		linkStreamByCategory: "$stream_by_category", linkByCorrelation: "$by_correlation_id",
	}
}

// projection is how far a system projection has come.
type projection struct {
	status ProjectionStatus
	reason string // it is faulted
	linked uint32 // its links at ordinals below are there for readers
}

// Projection describes a system projection.
type Projection struct {
	Name   string
	Status ProjectionStatus
	Reason string // it is faulted
}

// Projections describes the system projections.
func (s *Store) Projections() []Projection {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []Projection
	for kind, name := range projectionNames() {
		p := s.projections[kind]
		all = append(all, Projection{Name: name, Status: p.status, Reason: p.reason})
	}
	return all
}

// EnableProjection lets a projection link what was written since it stopped, and go on. DisableProjection stops it: its
// stream ends where it is. Both return ErrNoProjection for another name.
func (s *Store) EnableProjection(name string) error { return s.switchProjection(name, true) }

// DisableProjection is the opposite of EnableProjection.
func (s *Store) DisableProjection(name string) error { return s.switchProjection(name, false) }

func (s *Store) switchProjection(name string, enabled bool) error {
	kind, ok := kindOfProjection(name)
	if !ok {
		return ErrNoProjection
	}
	data, err := json.Marshal(projectionBody{Enabled: enabled})
	if err != nil {
		return err
	}
	tx := s.begin()
	s.mu.Lock()
	tx.add(projectionPrefix+name, systemEvent(typeProjectionUpdated, string(data)))
	if enabled && s.projections[kind].status != ProjectionRunning {
		tx.openLinked(uint32(kind))
	}
	t, err := tx.write()
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return s.settle(t)
}

// FaultProjection stops a projection as one that met an error. It is enabled again, or starts with the server.
func (s *Store) FaultProjection(name, reason string) error {
	kind, ok := kindOfProjection(name)
	if !ok {
		return ErrNoProjection
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.projections[kind].status, s.projections[kind].reason = ProjectionFaulted, reason
	return nil
}

func kindOfProjection(name string) (kind int, ok bool) {
	for kind, known := range projectionNames() {
		if known == name {
			return kind, true
		}
	}
	return 0, false
}

type projectionBody struct {
	Enabled bool `json:"enabled"`
}

// applyProjection follows a record that enables or disables a projection. When a log is read again, what was linked
// before the projection stopped was there.
func (s *Store) applyProjection(r *Record) {
	if r.Type != typeProjectionUpdated || len(r.Stream) <= len(projectionPrefix) {
		return
	}
	kind, ok := kindOfProjection(r.Stream[len(projectionPrefix):])
	var body projectionBody
	if !ok || json.Unmarshal(r.Data, &body) != nil {
		return
	}
	p := &s.projections[kind]
	switch {
	case body.Enabled:
		p.status, p.reason = ProjectionRunning, ""
	case p.status != ProjectionStopped:
		p.status, p.reason = ProjectionStopped, ""
		if s.journal == nil { // the log is being read
			p.linked = s.index.count
		}
	}
}

// openProjections shows what the projections have linked before.
func (s *Store) openProjections(without bool) {
	for kind := range s.projections {
		p := &s.projections[kind]
		if p.status != ProjectionStopped {
			p.status, p.linked = ProjectionRunning, s.index.count
		}
		if without {
			p.status = ProjectionStopped
		}
	}
}

// unwritten reports whether an entry is a link that its projection, which does not run, has not come to. The lock is held.
func (s *Store) unwritten(ordinal uint32, e entry) bool {
	if !e.derived() {
		return false
	}
	p := s.projections[e.typ]
	return p.status != ProjectionRunning && ordinal >= p.linked
}
