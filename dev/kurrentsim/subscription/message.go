package subscription

import (
	"time"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/store"
)

// None stands for no place: nothing has been read, or nothing checkpointed.
const None int64 = -1

// Message is one event on its way through a group.
type Message struct {
	Event      store.Resolved
	Place      int64 // revision in the source stream, or position in the global order
	Previous   int64 // place of the message before it, None for the first
	RetryCount int
	Replayed   bool // was parked: it holds back no checkpoint
	Skipped    int  // events a filter left out, Place being that of the last: nobody gets it, checkpoints move over it

	sequence int64 // counts the messages fed since the group was loaded
}

// ID is what consumers acknowledge by: that of the link if there is one.
func (m *Message) ID() uuid.UUID { return m.Event.Original().ID }

// SourceStream is the stream the event itself stands in, also when a link's target is gone.
func (m *Message) SourceStream() string {
	event := m.Event.Original()
	if m.Event.Event != nil {
		event = m.Event.Event
	}
	if event.Type == store.TypeLink {
		if _, stream, ok := store.ParseLink(event.Data); ok {
			return stream
		}
	}
	return event.Stream
}

// Parking is a message that goes to the parked stream, and why.
type Parking struct {
	Message *Message
	Reason  string
}

// Action is what a consumer wants done with a message it refuses.
type Action int

// Actions. Stop only drops the message: a real server implements no more.
const (
	Retry Action = iota
	Park
	Skip
	Stop
)

// Settings of a group.
type Settings struct {
	ResolveLinks    bool
	ExtraStatistics bool
	MaxRetryCount   int
	MinCheckpoint   int // messages that make a checkpoint worth writing when its time has come
	MaxCheckpoint   int // messages after which a checkpoint is written at once
	MaxSubscribers  int // 0 means no bound
	LiveBuffer      int
	ReadBatch       int // 0 and less read nothing of what was there before the group
	HistoryBuffer   int
	MessageTimeout  time.Duration // 0 and less expire at the next tick
	CheckpointAfter time.Duration // 0 means never by time, less than 0 at every tick
	Strategy        Strategy
}

// Consumer takes the messages of one connected client.
type Consumer interface {
	// Offer takes the message, or returns false when its client is too slow to take any more.
	Offer(Message) bool
}
