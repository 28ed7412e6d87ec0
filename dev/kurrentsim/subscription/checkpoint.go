package subscription

import "time"

// checkpointMark is the place of the newest checkpoint.
type checkpointMark struct {
	sequence int64 // of the newest message it covers
	place    int64
	at       time.Time
}

// Checkpoint returns the place up to which everything is settled, if a checkpoint is due:
// immediately once enough messages were settled, and at a tick once its time has come.
// The caller must write it before calling Checkpoint again.
func (e *Engine) Checkpoint(now time.Time, tick bool) (place int64, due bool) {
	if e.known == nil {
		return None, false
	}
	byTime := e.settings.CheckpointAfter != 0 && now.Sub(e.mark.at) >= e.settings.CheckpointAfter
	// An upper bound on what is settled: a cheap check for the usual case that nothing is
	// due.
	most := e.known.sequence - e.mark.sequence
	if most < int64(e.settings.MaxCheckpoint) && (!byTime || !tick) {
		return None, false
	}
	sequence, place := e.settled()
	settled := sequence - e.mark.sequence
	if settled <= 0 || place == None {
		return None, false
	}
	timely := tick && byTime && settled >= int64(e.settings.MinCheckpoint)
	if !timely && settled < int64(e.settings.MaxCheckpoint) {
		return None, false
	}
	e.mark = checkpointMark{sequence: sequence, place: place, at: now}
	return place, true
}

// settled returns the newest message before the oldest unsettled one.
func (e *Engine) settled() (sequence, place int64) {
	sequence, place = e.known.sequence, e.known.Place
	hold := func(m *Message) {
		if !m.Replayed && m.sequence <= sequence {
			sequence, place = m.sequence-1, m.Previous
		}
	}
	for _, f := range e.inFlight {
		hold(f.message)
	}
	for _, m := range e.retry {
		hold(m)
	}
	if len(e.fresh) > 0 { // the rest is newer; later messages may have passed some of it because its consumer was full
		hold(e.fresh[0])
	}
	for m := range e.parking {
		hold(m)
	}
	return sequence, place
}
