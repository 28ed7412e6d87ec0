package store

// projectedMetadata is what a system projection writes to the metadata of its stream
// right before the first link, whatever was there before: everyone may read it.
var projectedMetadata = []byte(`{"$acl":{"$r":"$all","$mr":"$all"}}`)

// openLinkTargets writes the metadata of the streams that get their first link in this
// transaction.
func (t *transaction) openLinkTargets() {
	for i, n := 0, len(t.records); i < n; i++ {
		for _, l := range derive(&t.records[i]) {
			target := t.store.index.find(l.stream)
			begun := target != nil && (len(target.ordinals) > 0 || target.deleted)
			if begun || t.next[metastream(l.stream)] != 0 || t.store.projections[l.kind].status != ProjectionRunning {
				continue
			}
			t.add(metastream(l.stream), metadataEvent(projectedMetadata))
		}
	}
}

// openLinked does the same when a projection is enabled, for the links that it catches up
// with.
func (t *transaction) openLinked(kind uint32) {
	s := t.store
	for no := range uint32(len(s.index.streamNos)) {
		target := s.index.stream(no)
		if !target.projected || target.kind != kind || len(target.ordinals) == 0 || target.ordinals[0] < s.projections[kind].linked {
			continue
		}
		t.add(metastream(target.name), metadataEvent(projectedMetadata))
	}
}
