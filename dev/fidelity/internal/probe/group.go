package probe

import (
	"context"
	"reflect"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// A group's stream is named by its local name here, except where it begins with $ or with
// the probe's prefix.
func (p *P) full(stream string) string {
	if stream == "" || stream[0] == '$' || strings.Contains(stream, p.prefix) {
		return stream
	}
	return p.S(stream)
}

func groupSettings(edit func(*kurrentdb.PersistentSubscriptionSettings)) *kurrentdb.PersistentSubscriptionSettings {
	settings := kurrentdb.SubscriptionSettingsDefault()
	if edit != nil {
		edit(&settings)
	}
	return &settings
}

// productSettings are the settings with which the product creates its groups.
func productSettings() *kurrentdb.PersistentSubscriptionSettings {
	return groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ResolveLinkTos, s.MaxRetryCount = true, 1<<31-1
		s.MessageTimeout, s.CheckpointAfter = 30_000, 1_000
		s.CheckpointLowerBound, s.CheckpointUpperBound = 1, 1_000
		s.ReadBatchSize, s.HistoryBufferSize, s.LiveBufferSize = 32, 64, 64
	})
}

// tryCreate creates a group, and deletes it when the probe is over.
func (p *P) tryCreate(stream, group string, settings *kurrentdb.PersistentSubscriptionSettings, from kurrentdb.StreamPosition) error {
	err := p.DB().CreatePersistentSubscription(p.ctx, p.full(stream), group, kurrentdb.PersistentStreamSubscriptionOptions{Settings: settings, StartFrom: from})
	if err == nil {
		p.deleteLater(p.full(stream), group)
	}
	return err
}

func (p *P) createGroup(stream, group string, settings *kurrentdb.PersistentSubscriptionSettings, from kurrentdb.StreamPosition) {
	p.Must("create group "+group, p.tryCreate(stream, group, settings, from))
}

func (p *P) deleteLater(stream, group string) {
	p.Later(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		_ = p.DB().DeletePersistentSubscription(ctx, stream, group, kurrentdb.DeletePersistentSubscriptionOptions{})
	})
}

func (p *P) info(stream, group string) (*persistent.SubscriptionInfo, error) {
	request := &persistent.GetInfoReq{Options: &persistent.GetInfoReq_Options{GroupName: group}}
	if stream == "$all" {
		request.Options.StreamOption = &persistent.GetInfoReq_Options_All{All: &shared.Empty{}}
	} else {
		request.Options.StreamOption = &persistent.GetInfoReq_Options_StreamIdentifier{StreamIdentifier: streamID(p.full(stream))}
	}
	answer, err := p.wire.groups.GetInfo(p.ctx, request)
	return answer.GetSubscriptionInfo(), err
}

// Config returns a group's settings.
func (p *P) Config(stream, group string) any {
	info, err := p.info(stream, group)
	if err != nil {
		return p.failure(err)
	}
	return configOf(info)
}

// Stats returns a group's state once it has been unchanged for longer than the server's
// tick of one second.
func (p *P) Stats(stream, group string) any {
	var last obj
	var since time.Time
	var failed any
	p.Until(6*time.Second, func() bool {
		info, err := p.info(stream, group)
		if err != nil {
			failed = p.failure(err)
			return true
		}
		now := p.statsOf(info)
		if !reflect.DeepEqual(now, last) {
			last, since = now, time.Now()
		}
		return time.Since(since) > 1500*time.Millisecond
	})
	if failed != nil {
		return failed
	}
	return last
}

func (p *P) awaitConnections(stream, group string, n int) {
	p.Until(5*time.Second, func() bool {
		info, err := p.info(stream, group)
		return err == nil && len(info.Connections) == n
	})
}

// parkedStream is the stream a group parks events on.
func (p *P) parkedStream(stream, group string) string {
	return "$persistentsubscription-" + p.full(stream) + "::" + group + "-parked"
}

func (p *P) checkpointStream(stream, group string) string {
	return "$persistentsubscription-" + p.full(stream) + "::" + group + "-checkpoint"
}

// awaitParked waits until a group has parked n events.
func (p *P) awaitParked(stream, group string, n int64) bool {
	return p.Until(4*time.Second, func() bool {
		info, err := p.info(stream, group)
		return err == nil && info.ParkedMessageCount == n
	})
}

// Parked returns all that a group has parked: the links in full, and the events they
// resolve to.
func (p *P) Parked(stream, group string) any {
	return obj{
		"links":    p.Read(p.parkedStream(stream, group), forwards(kurrentdb.Start{}), 100, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }),
		"resolved": p.Read(p.parkedStream(stream, group), resolving(forwards(kurrentdb.Start{})), 100, p.briefly),
		"metadata": p.Metadata(p.parkedStream(stream, group)),
	}
}

// Checkpoint returns the last event of a group's checkpoint stream.
func (p *P) Checkpoint(stream, group string) any {
	return p.Read(p.checkpointStream(stream, group), backwards(kurrentdb.End{}), 1, func(e *kurrentdb.ResolvedEvent) any {
		return obj{"type": e.Event.EventType, "contentType": e.Event.ContentType, "data": p.show(e.Event.Data), "metadata": p.show(e.Event.UserMetadata), "revision": e.Event.EventNumber}
	})
}

func (p *P) replay(stream, group string, stopAt int) any {
	return p.failure(p.DB().ReplayParkedMessages(p.ctx, p.full(stream), group, kurrentdb.ReplayParkedMessagesOptions{StopAt: stopAt}))
}

func (p *P) wireCreate(request *persistent.CreateReq) any {
	var trailer metadata.MD
	_, err := p.wire.groups.Create(p.ctx, request, grpc.Trailer(&trailer))
	if err == nil {
		p.deleteLater(string(request.GetOptions().GetStream().GetStreamIdentifier().GetStreamName()), request.GetOptions().GetGroupName())
	}
	return p.refusal(err, trailer)
}
