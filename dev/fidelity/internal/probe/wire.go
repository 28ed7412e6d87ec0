package probe

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/serverfeatures"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// wire speaks the protocol without the client, to see what the client hides: trailers,
// and messages it discards.
type wire struct {
	streams  streams.StreamsClient
	groups   persistent.PersistentSubscriptionsClient
	features serverfeatures.ServerFeaturesClient
	close    func()
}

func dial(config *kurrentdb.Configuration) (*wire, error) {
	address := config.Address
	if address == "" && len(config.GossipSeeds) > 0 {
		address = config.GossipSeeds[0].String()
	}
	options := []grpc.DialOption{
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(64 << 20)), grpc.WithTransportCredentials(insecure.NewCredentials()),
	}
	if !config.DisableTLS {
		settings := &tls.Config{InsecureSkipVerify: config.SkipCertificateVerification, RootCAs: config.RootCAs}
		options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(settings)))
		if config.Username != "" {
			options = append(options, grpc.WithPerRPCCredentials(basic(config.Username+":"+config.Password)))
		}
	}
	connection, err := grpc.NewClient(strings.TrimPrefix(address, "//"), options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the server: %w", err)
	}
	return &wire{
		streams:  streams.NewStreamsClient(connection),
		groups:   persistent.NewPersistentSubscriptionsClient(connection),
		features: serverfeatures.NewServerFeaturesClient(connection),
		close:    func() { _ = connection.Close() },
	}, nil
}

type basic string

func (b basic) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(b))}, nil
}

func (basic) RequireTransportSecurity() bool { return true }

// refusal is a status with its trailers.
func (p *P) refusal(err error, trailer metadata.MD) any {
	if err == nil {
		return "ok"
	}
	if errors.Is(err, io.EOF) {
		return "EOF"
	}
	s := status.Convert(err)
	fields := obj{"grpc": s.Code().String(), "message": p.show([]byte(s.Message()))}
	said := obj{}
	for key, values := range trailer {
		switch key {
		case "content-type", "date", "server", "grpc-status", "grpc-message":
		default:
			said[key] = p.show([]byte(strings.Join(values, " | ")))
		}
	}
	if len(said) > 0 {
		fields["trailers"] = said
	}
	if details := s.Details(); len(details) > 0 {
		kinds := list{}
		for _, d := range details {
			kinds = append(kinds, fmt.Sprintf("%T", d))
		}
		fields["details"] = kinds
	}
	return fields
}

func streamID(name string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(name)}
}

func uuidOf(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

// wireEvent is a proposed message; meta, if not nil, replaces its metadata.
func (p *P) wireEvent(e kurrentdb.EventData, meta map[string]string) *streams.AppendReq_ProposedMessage {
	if meta == nil {
		meta = map[string]string{"type": e.EventType, "content-type": "application/json"}
	}
	return &streams.AppendReq_ProposedMessage{Id: uuidOf(e.EventID), Metadata: meta, Data: e.Data, CustomMetadata: e.Metadata}
}

// wireAppend sends an append and returns the answer unmodified by the client.
func (p *P) wireAppend(options *streams.AppendReq_Options, events ...*streams.AppendReq_ProposedMessage) any {
	var trailer metadata.MD
	call, err := p.wire.streams.Append(p.ctx, grpc.Trailer(&trailer))
	if err != nil {
		return p.refusal(err, trailer)
	}
	_ = call.Send(&streams.AppendReq{Content: &streams.AppendReq_Options_{Options: options}}) // the response contains the reason
	for _, e := range events {
		if call.Send(&streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: e}}) != nil {
			break
		}
	}
	answer, err := call.CloseAndRecv()
	if err != nil {
		return p.refusal(err, trailer)
	}
	if wrong := answer.GetWrongExpectedVersion(); wrong != nil {
		return obj{"wrongExpectedVersion": p.show([]byte(compact(wrong.String())))}
	}
	success := answer.GetSuccess()
	return obj{
		"revision": fmt.Sprintf("%T %d", success.GetCurrentRevisionOption(), success.GetCurrentRevision()),
		"position": fmt.Sprintf("%T %s", success.GetPositionOption(), position(success.GetPosition().GetCommitPosition(), success.GetPosition().GetPreparePosition())),
	}
}

// compact reverts a random variation of protobuf's text format: one space or two.
func compact(text string) string { return strings.Join(strings.Fields(text), " ") }

// wireRead returns the messages of a read until it ends or there is a silence.
func (p *P) wireRead(options *streams.ReadReq_Options, more ...string) list {
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(p.ctx, more...))
	defer cancel()
	if options.UuidOption == nil {
		options.UuidOption = &streams.ReadReq_Options_UUIDOption{
			Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}},
		}
	}
	call, err := p.wire.streams.Read(ctx, &streams.ReadReq{Options: options})
	if err != nil {
		return list{p.refusal(err, nil)}
	}
	return wireHeard(p, call, p.wireMessage, p.quiet)
}

// wireHeard returns the messages of a server-streaming call, one line each, until it ends
// or there is a silence.
func wireHeard[M any](p *P, call grpc.ClientStream, line func(*M) any, quiet time.Duration) list {
	lines := make(chan any, 10_000)
	go func() {
		defer close(lines)
		for {
			message := new(M)
			if err := call.RecvMsg(message); err != nil {
				lines <- p.refusal(err, call.Trailer())
				return
			}
			lines <- line(message)
		}
	}()
	seen := list{}
	for {
		select {
		case line, open := <-lines:
			if !open {
				return seen
			}
			seen = append(seen, line)
		case <-time.After(quiet):
			return append(seen, "silence")
		}
	}
}

func (p *P) wireMessage(m *streams.ReadResp) any {
	switch content := m.GetContent().(type) {
	case *streams.ReadResp_Event:
		line := obj{"event": p.wireRecorded(content.Event.Event)}
		if content.Event.Link != nil {
			line["link"] = p.wireRecorded(content.Event.Link)
		}
		switch at := content.Event.GetPosition().(type) {
		case *streams.ReadResp_ReadEvent_CommitPosition:
			line["commit"] = mark(at.CommitPosition)
		default:
			line["commit"] = fmt.Sprintf("%T", at)
		}
		return line
	case *streams.ReadResp_Confirmation:
		_, err := uuid.Parse(content.Confirmation.SubscriptionId)
		return fmt.Sprintf("confirmation, id is a uuid: %t", err == nil)
	case *streams.ReadResp_Checkpoint_:
		c := content.Checkpoint
		return fmt.Sprintf("checkpoint %s, has time: %t", position(c.CommitPosition, c.PreparePosition), c.Timestamp != nil)
	case *streams.ReadResp_StreamNotFound_:
		return "stream not found: " + p.show(content.StreamNotFound.GetStreamIdentifier().GetStreamName())
	case *streams.ReadResp_CaughtUp_:
		c := content.CaughtUp
		line := fmt.Sprintf("caught up, has time: %t", c.Timestamp != nil)
		if c.StreamRevision != nil {
			line += fmt.Sprintf(", revision %d", *c.StreamRevision)
		}
		if c.Position != nil {
			line += ", position " + position(c.Position.CommitPosition, c.Position.PreparePosition)
		}
		return line
	case *streams.ReadResp_FirstStreamPosition:
		return fmt.Sprint("first stream position ", content.FirstStreamPosition)
	case *streams.ReadResp_LastStreamPosition:
		return fmt.Sprint("last stream position ", content.LastStreamPosition)
	}
	return fmt.Sprintf("%T", m.GetContent())
}

func (p *P) wireRecorded(e *streams.ReadResp_ReadEvent_RecordedEvent) any {
	if e == nil {
		return nil
	}
	return fmt.Sprintf("%s@%d %s %s", p.show(e.GetStreamIdentifier().GetStreamName()), e.GetStreamRevision(),
		p.show([]byte(e.GetMetadata()["type"])), position(e.GetCommitPosition(), e.GetPreparePosition()))
}

// readOf returns the request to read a stream, as the client sends it.
func readOf(stream string, from any, count uint64) *streams.ReadReq_Options {
	options := &streams.ReadReq_Options_StreamOptions{StreamIdentifier: streamID(stream)}
	switch from := from.(type) {
	case int:
		options.RevisionOption = &streams.ReadReq_Options_StreamOptions_Revision{Revision: uint64(from)}
	case kurrentdb.End:
		options.RevisionOption = &streams.ReadReq_Options_StreamOptions_End{End: &shared.Empty{}}
	default:
		options.RevisionOption = &streams.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}}
	}
	request := &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: options},
		FilterOption: &streams.ReadReq_Options_NoFilter{NoFilter: &shared.Empty{}},
		CountOption:  &streams.ReadReq_Options_Count{Count: count},
	}
	return request
}

func subscribing(options *streams.ReadReq_Options) *streams.ReadReq_Options {
	options.CountOption = &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}}
	return options
}
