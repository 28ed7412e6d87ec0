package store

// FirstProjected returns the position of the first event that readers see of a stream which a system projection writes. It
// reports false for any other stream, and before the first link.
func (s *Store) FirstProjected(name string) (uint64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	target := s.index.find(name)
	if target == nil || !target.projected || s.visibleLast(target) < 0 {
		return 0, false
	}
	return s.index.at(target.ordinals[0]).position, true
}
