package groups

import (
	"encoding/json"
	"time"

	"orderflow/dev/kurrentsim/store"
)

// Parked is a message that was put aside.
type Parked struct {
	Event    store.Resolved // Link is the entry in the parked stream; Event is nil when the message is gone
	Revision int64          // in the parked stream
	Reason   string
	Added    time.Time
}

// ParkedPage is a piece of a group's parked messages, the newest first.
type ParkedPage struct {
	Messages []Parked
	Next     int64 // where the next page begins
	End      bool
}

// Parked reads at most limit parked messages, from a revision of the parked stream back.
func (m *Manager) Parked(key Key, from int64, limit int) (ParkedPage, error) {
	if _, err := m.find(key); err != nil {
		return ParkedPage{}, err
	}
	page, err := m.events.ReadStream(key.parkedStream(), from, store.Backwards, limit)
	if err != nil {
		return ParkedPage{}, err
	}
	found := ParkedPage{Next: page.Next, End: page.End}
	for _, link := range page.Events {
		event, err := m.events.Resolve(link)
		if err != nil {
			return ParkedPage{}, err
		}
		if event.Link == nil { // no link at all: shown as the message it is
			event.Link = &link
		}
		var about parkedMetadata
		_ = json.Unmarshal(link.Metadata, &about) // what somebody else wrote there may say nothing of itself
		added, _ := time.Parse(time.RFC3339, about.Added)
		found.Messages = append(found.Messages, Parked{Event: event, Revision: link.Revision, Reason: about.Reason, Added: added})
	}
	return found, nil
}

// parkedCount is what a group knows of its parked stream: what was there when the group was loaded, what it parked and what
// it replayed. What another writer hides there it does not see, and after a delete of the group it counts on.
type parkedCount struct {
	first int64
	last  int64 // -1 for none
}

func countParked(events *store.Store, key Key) parkedCount {
	first, last, ok := events.Bounds(key.parkedStream())
	if !ok {
		return parkedCount{last: -1}
	}
	return parkedCount{first: first, last: last}
}

func (c parkedCount) count() int64 { return max(0, c.last-c.first+1) }
