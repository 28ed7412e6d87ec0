package config

// PublisherConnections is how many connections to KurrentDB the publisher has, and so how
// many appends are in progress at once.
const PublisherConnections = 32

// Publisher bounds what the publisher does at once.
type Publisher struct {
	Window int `env:"PUBLISHER_WINDOW" envDefault:"256"` // versions in memory and, as goroutines, in flight
}

const maxWindow = 4096

// Validate reports a number out of range.
func (p Publisher) Validate() []Fault {
	if p.Window < 1 || p.Window > maxWindow {
		return []Fault{{Name: "PUBLISHER_WINDOW", Problem: "must be from 1 to 4096"}}
	}
	return nil
}
