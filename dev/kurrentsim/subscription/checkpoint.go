package subscription

import "time"

// checkpointMark is how far the group was checkpointed.
type checkpointMark struct {
	sequence int64 // of the newest message it covers
	place    int64
	at       time.Time
}

// Checkpoint returns the place everything up to which is settled, if a checkpoint is due: at once when enough messages
// were settled, and at a tick when its time has come. The caller writes it before asking again.
func (e *Engine) Checkpoint(now time.Time, tick bool) (place int64, due bool) {
	if e.known == nil {
		return None, false
	}
	byTime := e.settings.CheckpointAfter != 0 && now.Sub(e.mark.at) >= e.settings.CheckpointAfter
	most := e.known.sequence - e.mark.sequence // settled at most: a cheap bound for the usual answer, no
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

// settled is the newest message before the oldest that is not settled.
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
	if len(e.fresh) > 0 { // the rest is newer; some of it was passed over, for its consumer was full
		hold(e.fresh[0])
	}
	for m := range e.parking {
		hold(m)
	}
	return sequence, place
}
