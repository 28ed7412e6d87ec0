package subscription

// park queues a message to be written to the parked stream. The message holds back the
// checkpoint until it is written.
func (e *Engine) park(m *Message, reason string) {
	e.parking[m] = reason
	e.pending = append(e.pending, Parking{Message: m, Reason: reason})
}

// TakeParked returns the messages to be written to the parked stream now. The caller must
// pass each to Parked.
func (e *Engine) TakeParked() []Parking {
	taken := e.pending
	e.pending = nil
	return taken
}

// Parked records whether the taken messages were written. If not, TakeParked returns them
// again.
func (e *Engine) Parked(taken []Parking, written bool) {
	if !written {
		e.pending = append(taken, e.pending...)
		return
	}
	for _, p := range taken {
		delete(e.parking, p.Message)
	}
}
