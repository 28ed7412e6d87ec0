package subscription

// Stats is what can be seen of a group's state.
type Stats struct {
	Total        int64 // deliveries since the group was loaded
	Buffered     int   // read and never offered
	Retrying     int   // waiting to be offered again
	InFlight     int
	Checkpointed int64 // place of the newest checkpoint, None for none
	Settled      int64 // place up to which every message is settled, None for none
	Consumers    []ConsumerStats
}

// ConsumerStats is what can be seen of one consumer.
type ConsumerStats struct {
	Consumer     Consumer
	Total        int64 // deliveries
	InFlight     int
	Available    int
	Measurements []Measurement // how long acknowledgements took; none without ExtraStatistics
}

// Stats returns the present state.
func (e *Engine) Stats() Stats {
	s := Stats{
		Total: e.total, Buffered: e.buffered(), Retrying: len(e.retry), InFlight: len(e.inFlight),
		Checkpointed: e.mark.place, Settled: e.mark.place,
	}
	if e.known != nil {
		_, s.Settled = e.settled()
	}
	for _, m := range e.members {
		shown := ConsumerStats{Consumer: m.consumer, Total: m.total, InFlight: m.inFlight, Available: max(0, m.buffer-m.inFlight)}
		if e.settings.ExtraStatistics {
			shown.Measurements = measure(m.settled)
		}
		s.Consumers = append(s.Consumers, shown)
	}
	return s
}
