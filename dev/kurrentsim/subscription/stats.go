package subscription

// Stats is the observable state of a group.
type Stats struct {
	Total        int64 // deliveries since the group was loaded
	Buffered     int   // read but not offered yet
	Retrying     int   // waiting for a retry
	InFlight     int
	Checkpointed int64 // place of the newest checkpoint, None if there is none
	Settled      int64 // place up to which every message is settled, None if there is none
	Consumers    []ConsumerStats
}

// ConsumerStats is the observable state of one consumer.
type ConsumerStats struct {
	Consumer     Consumer
	Total        int64 // deliveries
	InFlight     int
	Available    int
	Measurements []Measurement // times until acknowledgements; none without ExtraStatistics
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
