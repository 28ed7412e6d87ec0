package subscription

// park hands a message over to be written to the parked stream. It holds back the checkpoint until it is there.
func (e *Engine) park(m *Message, reason string) {
	e.parking[m] = reason
	e.pending = append(e.pending, Parking{Message: m, Reason: reason})
}

// TakeParked returns what is to be written to the parked stream now. Each must be answered for with Parked.
func (e *Engine) TakeParked() []Parking {
	taken := e.pending
	e.pending = nil
	return taken
}

// Parked says whether what was taken is written; if not, it is handed out again.
func (e *Engine) Parked(taken []Parking, written bool) {
	if !written {
		e.pending = append(taken, e.pending...)
		return
	}
	for _, p := range taken {
		delete(e.parking, p.Message)
	}
}
