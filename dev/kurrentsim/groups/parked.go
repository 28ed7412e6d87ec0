package groups

import (
	"encoding/json"
	"time"

	"orderflow/dev/kurrentsim/store"
)

// Parked is a parked message.
type Parked struct {
	Event    store.Resolved // Link is the entry in the parked stream; Event is nil if the message is gone
	Revision int64          // in the parked stream
	Reason   string
	Added    time.Time
}

// ParkedPage is a page of a group's parked messages, newest first.
type ParkedPage struct {
	Messages []Parked
	Next     int64 // where the next page begins
	End      bool
}

// Parked reads at most limit parked messages, backwards from a revision of the parked
// stream.
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
		if event.Link == nil { // not a link: shown as the message itself
			event.Link = &link
		}
		var about parkedMetadata
		_ = json.Unmarshal(link.Metadata, &about) // an event that another writer appended there may lack this metadata
		added, _ := time.Parse(time.RFC3339, about.Added)
		found.Messages = append(found.Messages, Parked{Event: event, Revision: link.Revision, Reason: about.Reason, Added: added})
	}
	return found, nil
}

// parkedCount is the group's own count of its parked stream: the events there when the
// group was loaded, those it parked, and those it replayed. It does not see what another
// writer hides there. It continues if the group is deleted and created again.
type parkedCount struct {
	first int64
	last  int64 // -1 if there is none
}

func countParked(events *store.Store, key Key) parkedCount {
	first, last, ok := events.Bounds(key.parkedStream())
	if !ok {
		return parkedCount{last: -1}
	}
	return parkedCount{first: first, last: last}
}

func (c parkedCount) count() int64 { return max(0, c.last-c.first+1) }
