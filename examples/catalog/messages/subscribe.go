package messages

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"example.com/catalog/video"
)

// Subscribe handles the messages of all streams of a category, in the order in which they
// were written, and then new ones as they are written. It begins after a position, or
// with the first message if that is nil. It handles one at a time, and no message of a
// stream that was deleted or truncated since.
//
// It never returns nil. It returns handle's error unchanged, and ErrUnavailable when ctx
// ends or the connection breaks; the caller then subscribes again after the last position
// that it handled. The category's stream is filled by a projection of the server,
// $by_category: while that does not run, Subscribe waits.
func (s *Store) Subscribe(
	ctx context.Context, category string, after *uint64, handle func(context.Context, video.Message) error,
) error {
	ctx, cancel := s.withClosing(ctx)
	defer cancel(nil)
	client, err := s.newClient() // of its own, for as long as it lasts
	if err != nil {
		return fmt.Errorf("subscribe to category %s: %w", category, err)
	}
	defer closeClient(client)
	confirmation := time.AfterFunc(s.timeout, func() { cancel(errNoConfirmation) })
	subscription, err := join(ctx, client, "$ce-"+category, after)
	confirmation.Stop()
	for err == nil {
		var m video.Message
		var found bool
		if m, found, err = receive(subscription); found {
			if err := handle(ctx, m); err != nil {
				return err
			}
		}
	}
	return fmt.Errorf("subscribe to category %s: %w", category, classify(ctx, err))
}

func join(
	ctx context.Context, client *kurrentdb.Client, stream string, after *uint64,
) (subscription *kurrentdb.Subscription, err error) {
	options := kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true}
	if after != nil {
		options.From = kurrentdb.Revision(*after) // the first one delivered is the next
	}
	err = recoverPanic(func() error {
		subscription, err = client.SubscribeToStream(ctx, stream, options)
		return err
	})
	return subscription, err
}

// receive waits for the next message, and reports whether it received one. The server
// also sends notices, links whose messages are gone, and links to its own events, such as
// the deletion of a stream.
func receive(subscription *kurrentdb.Subscription) (m video.Message, found bool, err error) {
	err = recoverPanic(func() error {
		received := subscription.Recv()
		if received.SubscriptionDropped != nil {
			return received.SubscriptionDropped.Error
		}
		e := received.EventAppeared
		if e == nil || e.Event == nil || e.Link == nil || strings.HasPrefix(e.Event.StreamID, "$") {
			return nil
		}
		m, found = messageOf(e.Event, e.Link), true
		return nil
	})
	return m, found, err
}
