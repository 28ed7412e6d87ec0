package store

import (
	"encoding/json"
	"errors"
)

// ProjectionStatus is the status a server reports for a projection.
type ProjectionStatus string

// Statuses of a system projection.
const (
	ProjectionRunning ProjectionStatus = "Running"
	ProjectionStopped ProjectionStatus = "Stopped"
	ProjectionFaulted ProjectionStatus = "Faulted"
)

// ErrNoProjection is returned if there is no projection of that name.
var ErrNoProjection = errors.New("projection does not exist")

// A projection's stream records whether it is enabled, so the status survives a restart.
const (
	projectionPrefix      = "$projections-"
	typeProjectionUpdated = "$ProjectionUpdated"
)

// projectionNames returns the names of the system projections, by the kind of link they
// write.
func projectionNames() [derivedKinds]string {
	return [derivedKinds]string{
		linkByCategory: "$by_category", linkByType: "$by_event_type", linkStreams: "$streams",
		linkStreamByCategory: "$stream_by_category", linkByCorrelation: "$by_correlation_id",
	}
}

// projection is the progress of a system projection.
type projection struct {
	status ProjectionStatus
	reason string // not empty if it is faulted
	linked uint32 // readers see its links at lower ordinals
}

// Projection describes a system projection.
type Projection struct {
	Name   string
	Status ProjectionStatus
	Reason string // why it is faulted, empty if it is not
}

// Projections returns the system projections.
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

// EnableProjection makes a projection link what was written since it stopped, and
// continue. It returns ErrNoProjection for an unknown name.
func (s *Store) EnableProjection(name string) error { return s.switchProjection(name, true) }

// DisableProjection stops a projection: its stream ends where it is. It returns
// ErrNoProjection for an unknown name.
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

// FaultProjection stops a projection as if it had failed. It runs again once it is
// enabled or the server is restarted.
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

// applyProjection handles a record that enables or disables a projection. When a log is
// read again, events written before the projection stopped count as linked.
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

// openProjections publishes what the projections have linked before.
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

// unwritten reports whether an entry is a link that its stopped projection has not
// reached. The caller must hold the lock.
func (s *Store) unwritten(ordinal uint32, e entry) bool {
	if !e.derived() {
		return false
	}
	p := s.projections[e.typ]
	return p.status != ProjectionRunning && ordinal >= p.linked
}
