package store

// recentWindow limits how far back RecentlyChanged looks, in events.
const recentWindow = 100_000

// RecentlyChanged returns the newest event of each of the streams written last, latest
// first. It returns at most limit events, and only those among the newest hundred
// thousand events of the log. It leaves out system streams unless system is true.
func (s *Store) RecentlyChanged(limit int, system bool) ([]Record, error) {
	refs := s.planRecent(limit, system)
	newest := make([]Record, 0, len(refs))
	for _, r := range refs {
		record, err := s.read(r)
		if err != nil {
			return nil, err
		}
		if !s.hidden.has(&record) {
			newest = append(newest, record)
		}
	}
	return newest, nil
}

func (s *Store) planRecent(limit int, system bool) []ref {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seen := map[uint32]bool{}
	var refs []ref
	for at, window := s.committed, recentWindow; at > 0 && window > 0 && len(refs) < limit; window-- {
		at--
		e := s.index.at(at)
		target := s.index.stream(e.stream)
		if seen[e.stream] || at >= s.visibleEnd(target) || (!system && isSystem(target.name)) {
			continue
		}
		seen[e.stream] = true
		refs = append(refs, s.ref(at))
	}
	return refs
}
