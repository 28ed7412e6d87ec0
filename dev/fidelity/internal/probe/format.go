package probe

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"google.golang.org/grpc/status"
)

// plainType is the type of events whose type does not matter; a brief omits it.
const plainType = "thing"

// brief returns an event in a line: stream, revision, type and id.
func (p *P) brief(e *kurrentdb.RecordedEvent) string {
	if e == nil {
		return "nil"
	}
	line := fmt.Sprintf("%s@%d", p.show([]byte(e.StreamID)), e.EventNumber)
	if e.EventType != plainType {
		line += " " + p.show([]byte(e.EventType))
	}
	return line + " " + e.EventID.String()
}

// briefly returns a resolved event in a line: the event, or the link and its target.
func (p *P) briefly(e *kurrentdb.ResolvedEvent) any {
	if e.Link == nil {
		return p.brief(e.Event)
	}
	return p.brief(e.Link) + " -> " + p.brief(e.Event)
}

// fully returns every field of an event that the client provides.
func (p *P) fully(e *kurrentdb.RecordedEvent) any {
	if e == nil {
		return nil
	}
	fields := obj{
		"at": fmt.Sprintf("%s@%d", p.show([]byte(e.StreamID)), e.EventNumber), "id": e.EventID.String(), "type": p.show([]byte(e.EventType)),
		"contentType": e.ContentType, "data": p.show(e.Data), "metadata": p.show(e.UserMetadata),
		"position": position(e.Position.Commit, e.Position.Prepare),
	}
	if keys := slices.Sorted(maps.Keys(e.SystemMetadata)); !slices.Equal(keys, []string{"content-type", "created", "type"}) {
		fields["systemMetadata"] = keys
	}
	if age := time.Since(e.CreatedDate); age.Abs() > 24*time.Hour {
		fields["created"] = "not now"
	}
	return fields
}

func (p *P) fullyResolved(e *kurrentdb.ResolvedEvent) any {
	fields := obj{"event": p.fully(e.Event), "link": p.fully(e.Link), "commit": nil}
	if e.Commit != nil {
		fields["commit"] = mark(*e.Commit)
	}
	return fields
}

// clientPrefix matches the codes that the client and gRPC write before the text: they
// have separate fields.
var clientPrefix = regexp.MustCompile(`\[Error[A-Za-z]*(?: \d+)?\] [^:]*: |rpc error: code = \w+ desc = `)

// failure returns an error as the product sees it: the client's code, the status code and
// the text.
func (p *P) failure(err error) any {
	if err == nil {
		return "ok"
	}
	if err == io.EOF { //nolint:errorlint // the end of a read is unwrapped; wrapped, it is a connection that ended
		return "EOF"
	}
	fields := obj{"text": p.show([]byte(clientPrefix.ReplaceAllString(err.Error(), "")))}
	var known *kurrentdb.Error
	if errors.As(err, &known) {
		fields["code"] = codeName(known.Code())
		if direct, _ := kurrentdb.FromError(err); direct.Code() != known.Code() {
			fields["fromError"] = codeName(direct.Code()) // it does not unwrap
		}
	}
	if s, ok := status.FromError(err); ok {
		fields["grpc"] = s.Code().String()
	}
	return fields
}

func codeName(code kurrentdb.ErrorCode) string {
	names := []string{
		"Unknown", "UnsupportedFeature", "DeadlineExceeded", "Unauthenticated", "ResourceNotFound", "ResourceAlreadyExists",
		"ConnectionClosed", "WrongExpectedVersion", "StreamRevisionConflict", "StreamTombstoned", "AppendRecordSizeExceeded",
		"AppendTransactionSizeExceeded", "AccessDenied", "StreamDeleted", "Parsing", "InternalClient", "InternalServer",
		"NotLeader", "Aborted", "Unavailable", "AppendConsistencyViolation",
	}
	if int(code) < len(names) {
		return names[code]
	}
	return fmt.Sprint("code ", int(code))
}

// configOf returns the settings in a group's description.
func configOf(info *persistent.SubscriptionInfo) obj {
	return obj{
		"source": info.EventSource, "group": info.GroupName, "startFrom": markPlace(info.StartFrom), "resolveLinks": info.ResolveLinkTos,
		"extraStatistics": info.ExtraStatistics, "messageTimeoutMs": info.MessageTimeoutMilliseconds,
		"maxRetryCount": info.MaxRetryCount, "liveBufferSize": info.LiveBufferSize, "bufferSize": info.BufferSize,
		"readBatchSize": info.ReadBatchSize, "checkpointAfterMs": info.CheckPointAfterMilliseconds,
		"minCheckpointCount": info.MinCheckPointCount, "maxCheckpointCount": info.MaxCheckPointCount,
		"strategy": info.NamedConsumerStrategy, "maxSubscriberCount": info.MaxSubscriberCount,
	}
}

// statsOf returns the state in a group's description, without values that depend on the
// clock: averages, and counts since the last measurement.
func (p *P) statsOf(info *persistent.SubscriptionInfo) obj {
	connections := list{}
	for _, c := range info.Connections {
		measured := list{}
		for _, m := range c.ObservedMeasurements {
			measured = append(measured, m.Key)
		}
		connections = append(connections, obj{
			"availableSlots": c.AvailableSlots, "inFlight": c.InFlightMessages, "totalItems": c.TotalItems,
			"name": c.ConnectionName, "user": p.userShape(c.Username), "from": addressShape(c.From), "measurements": measured,
		})
	}
	return obj{
		"status": info.Status, "totalItems": info.TotalItems, "lastCheckpointed": markPlace(info.LastCheckpointedEventPosition),
		"lastKnown": markPlace(info.LastKnownEventPosition), "readBuffer": info.ReadBufferCount, "liveBuffer": info.LiveBufferCount,
		"retryBuffer": info.RetryBufferCount, "inFlight": info.TotalInFlightMessages, "outstanding": info.OutstandingMessagesCount,
		"parked": info.ParkedMessageCount, "connections": connections,
	}
}

func markPlace(place string) string { return (&P{}).places(place) }

// userShape returns <user> for the user who asks: a server without security calls every
// caller system.
func (p *P) userShape(name string) string {
	own := "system"
	if p.secure() {
		own = p.config.Username
	}
	if name == own {
		return "<user>"
	}
	return name
}

func addressShape(from string) string {
	if from == "" {
		return "empty"
	}
	return addressPattern.ReplaceAllString(from, "<addr>")
}

// label labels an id that the probe did not create with ID.
func (p *P) label(id uuid.UUID, name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[id.String()] = name
}
