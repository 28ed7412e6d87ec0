package subscription

import (
	"time"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/store"
)

// None is the absence of a place: nothing has been read, or nothing checkpointed.
const None int64 = -1

// Message is one event that passes through a group.
type Message struct {
	Event      store.Resolved
	Place      int64 // revision in the source stream, or position in the global order
	Previous   int64 // place of the message before it, None if it is the first
	RetryCount int
	Replayed   bool // was parked before: it does not hold back the checkpoint
	// Skipped is the number of events a filter left out; Place is that of the last one.
	// No consumer gets it; checkpoints move over it.
	Skipped int

	sequence int64 // counts the messages fed since the group was loaded
}

// ID returns the id that consumers acknowledge: that of the link if there is one.
func (m *Message) ID() uuid.UUID { return m.Event.Original().ID }

// SourceStream returns the stream of the event itself, even if a link's target is gone.
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

// Parking is a message to be written to the parked stream, and the reason.
type Parking struct {
	Message *Message
	Reason  string
}

// Action is what the server must do with a message that a consumer nacks.
type Action int

// Actions. Stop only drops the message: a real server implements no more.
const (
	Retry Action = iota
	Park
	Skip
	Stop
)

// Settings are the settings of a group.
type Settings struct {
	ResolveLinks    bool
	ExtraStatistics bool
	MaxRetryCount   int
	MinCheckpoint   int // settled messages that make a checkpoint worth writing once its time has come
	MaxCheckpoint   int // settled messages after which a checkpoint is written immediately
	MaxSubscribers  int // 0 means no limit
	LiveBuffer      int
	ReadBatch       int // 0 or less reads no events from before the group
	HistoryBuffer   int
	MessageTimeout  time.Duration // 0 or less expires at the next tick
	CheckpointAfter time.Duration // 0 means never by time, less than 0 at every tick
	Strategy        Strategy
}

// Consumer receives the messages of one connected client.
type Consumer interface {
	// Offer accepts the message. It returns false if the client is too slow to take more.
	Offer(Message) bool
}
