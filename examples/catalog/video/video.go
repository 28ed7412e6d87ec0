package video

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
)

// Status is how far a video is.
type Status string

// Statuses. A video in the last two is never changed again.
const (
	StatusReceived    Status = "received" // the command is there, and no event yet
	StatusStarted     Status = "started"
	StatusTranscoded  Status = "transcoded"
	StatusTranscribed Status = "transcribed"
	StatusCataloged   Status = "cataloged"
	StatusFailed      Status = "failed"
)

// Ended reports whether the status is final.
func (s Status) Ended() bool { return s == StatusCataloged || s == StatusFailed }

// Video is the state that a video's events add up to.
type Video struct {
	Status     Status // StatusReceived before the first event
	Next       uint64 // how many events the stream has, which is the revision of the next one
	Metadata   Metadata
	LastEvent  uuid.UUID
	Started    Started
	Transcoded Transcoded
	Transcript Transcribed
	Failure    Failed
}

// Fold returns the state that events add up to: those of one video's stream, oldest first.
func Fold(events []Message) (Video, error) {
	v := Video{Status: StatusReceived}
	for _, e := range events {
		if err := v.Apply(e); err != nil {
			return Video{}, err
		}
	}
	return v, nil
}

// Apply adds the stream's next event. Events of types that this program does not know are
// counted and change nothing else.
func (v *Video) Apply(e Message) error {
	if e.Revision != v.Next {
		return fmt.Errorf("%w: event %d of %s follows %d events", ErrInvalid, e.Revision, e.Stream, v.Next)
	}
	if err := v.apply(e); err != nil {
		return fmt.Errorf("%w: the data of event %d of %s is not that of type %s", ErrInvalid, e.Revision, e.Stream, e.Type)
	}
	v.Next++
	v.LastEvent = e.ID
	return nil
}

func (v *Video) apply(e Message) (err error) {
	if v.Status.Ended() {
		return nil
	}
	switch e.Type {
	case TypeStarted:
		err = json.Unmarshal(e.Data, &v.Started)
		v.Status, v.Metadata = StatusStarted, MetadataOf(e)
	case TypeTranscoded:
		err = json.Unmarshal(e.Data, &v.Transcoded)
		v.Status = StatusTranscoded
	case TypeTranscribed:
		err = json.Unmarshal(e.Data, &v.Transcript)
		v.Status = StatusTranscribed
	case TypeCataloged:
		v.Status = StatusCataloged
	case TypeFailed:
		err = json.Unmarshal(e.Data, &v.Failure)
		v.Status = StatusFailed
	}
	return err
}

// Reached reports whether the step that leads to a status is done, or will never be.
func (v Video) Reached(s Status) bool { return v.Status.Ended() || rank(v.Status) >= rank(s) }

func rank(s Status) int {
	for i, status := range []Status{StatusReceived, StatusStarted, StatusTranscoded, StatusTranscribed, StatusCataloged} {
		if s == status {
			return i
		}
	}
	return -1
}

// Event returns the video's next event. Its id depends on the stream and the type alone, and
// its metadata continues that of the first event.
func (v Video) Event(id, eventType string, data any) NewMessage {
	return NewMessage{
		ID: MessageID(Stream(id), eventType), Type: eventType, Data: data,
		Metadata: NewMetadata(v.Metadata.TraceID, v.Metadata.OriginStreamName, v.LastEvent),
	}
}

// FirstEvent returns the event Started for a command. The stream of the command becomes the
// origin, unless the command has another one.
func FirstEvent(m Message, c Command) NewMessage {
	metadata := MetadataOf(m)
	if metadata.TraceID == "" {
		metadata.TraceID = m.ID.String()
	}
	if metadata.OriginStreamName == "" {
		metadata.OriginStreamName = m.Stream
	}
	return NewMessage{
		ID: MessageID(Stream(c.VideoID), TypeStarted), Type: TypeStarted,
		Data:     Started{VideoID: c.VideoID, Title: c.Title, Upload: c.Upload},
		Metadata: NewMetadata(metadata.TraceID, metadata.OriginStreamName, m.ID),
	}
}
