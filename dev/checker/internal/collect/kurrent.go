package collect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/order"
)

const (
	orderPrefix       = "order-"
	creditPrefix      = "credit-"
	fulfillmentPrefix = "fulfillment-"
	emailPrefix       = "email-"

	// checkpointWait is how long a group that is done may take to write its checkpoint.
	checkpointWait = 10 * time.Second
)

// kurrent reads the whole log, which still contains everything that was parked and
// replayed, or deleted.
func (r *reader) kurrent(ctx context.Context) error {
	client, err := r.kurrentClient()
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }() // nothing is left to lose
	if err := r.group(ctx, client); err != nil {
		return fmt.Errorf("group: %w", err)
	}
	if err := r.log(ctx, client); err != nil {
		return err
	}
	r.markUnlinked()
	return nil
}

// markUnlinked marks the events of orders that have no link in the group's stream. A
// server omits events that claim to be JSON and are not, and the group never receives
// them.
func (r *reader) markUnlinked() {
	for id, o := range r.facts.Orders {
		linked := r.links[id]
		for i := range o.Placed {
			o.Placed[i].Unlinked = !linked[o.Placed[i].Revision]
		}
		for i := range o.Payments {
			o.Payments[i].Unlinked = !linked[o.Payments[i].Revision]
		}
		for i := range o.Cancellations {
			o.Cancellations[i].Unlinked = !linked[o.Cancellations[i].Revision]
		}
		for i, in := range o.Instructions {
			o.Instructions[i].Unlinked = !r.links[in.Stream(id)][in.Revision]
		}
	}
}

func (r *reader) linkEvent(e *kurrentdb.RecordedEvent) {
	stream, revision, ok := linkTarget(e.Data)
	if _, decision := order.OrderDecided(stream); !ok || !decision && !strings.HasPrefix(stream, orderPrefix) {
		return
	}
	if r.links == nil {
		r.links = map[string]map[uint64]bool{}
	}
	if r.links[stream] == nil {
		r.links[stream] = map[uint64]bool{}
	}
	r.links[stream][revision] = true
}

func (r *reader) kurrentClient() (*kurrentdb.Client, error) {
	settings, err := kurrentdb.ParseConnectionString(r.sources.KurrentURL)
	if err != nil {
		return nil, errors.New("the connection string cannot be understood") // its own error quotes it
	}
	settings.Logger = kurrentdb.NoopLogging()
	return kurrentdb.NewClient(settings)
}

func (r *reader) log(ctx context.Context, client *kurrentdb.Client) error {
	forever := time.Duration(math.MaxInt64)
	if deadline, ok := ctx.Deadline(); ok {
		forever = time.Until(deadline)
	}
	options := kurrentdb.ReadAllOptions{From: kurrentdb.Start{}, Deadline: &forever}
	events, err := client.ReadAll(ctx, options, math.MaxInt64)
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		resolved, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if resolved.Event != nil {
			r.event(resolved.Event)
		}
	}
}

// event dispatches an event by its stream.
func (r *reader) event(e *kurrentdb.RecordedEvent) {
	parked := "$persistentsubscription-" + r.sources.Stream + "::" + r.sources.Group + "-parked"
	parkedDecisions := "$persistentsubscription-" + order.CreditDecisionLinks + "::" + r.sources.Group + "-parked"
	switch {
	case strings.HasPrefix(e.StreamID, order.CreditDecisionPrefix):
		r.decisionEvent(e)
	case strings.HasPrefix(e.StreamID, orderPrefix):
		r.orderEvent(e)
	case strings.HasPrefix(e.StreamID, creditPrefix):
		r.creditEvent(e)
	case strings.HasPrefix(e.StreamID, fulfillmentPrefix):
		r.published(e)
	case strings.HasPrefix(e.StreamID, emailPrefix):
		r.emailEvent(e)
	case strings.HasPrefix(e.StreamID, "$$"+orderPrefix):
		r.orderMetadata(e)
	case e.StreamID == parked, e.StreamID == parkedDecisions:
		r.parkedEvent(e)
	case e.StreamID == r.sources.Stream, e.StreamID == order.CreditDecisionLinks:
		r.linkEvent(e)
	}
}

// group reads the state of the subscription group until it is done or its time is over.
func (r *reader) group(ctx context.Context, client *kurrentdb.Client) error {
	giveUp := time.NewTimer(r.patience)
	defer giveUp.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := r.askGroup(ctx, client); err != nil {
			return err
		}
		g := r.facts.Group
		if !g.Exists || g.Lag == 0 && g.InFlight == 0 && g.Retrying == 0 {
			return nil
		}
		select {
		case <-tick.C:
		case <-giveUp.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (r *reader) askGroup(ctx context.Context, client *kurrentdb.Client) error {
	info, err := client.GetPersistentSubscriptionInfo(ctx, r.sources.Stream, r.sources.Group, kurrentdb.GetPersistentSubscriptionOptions{})
	failure, ok := errors.AsType[*kurrentdb.Error](err)
	switch {
	case ok && failure.Code() == kurrentdb.ErrorCodeResourceNotFound:
		return nil
	case err != nil:
		return err
	case info.Stats == nil:
		return errors.New("the server describes it without statistics")
	}
	g := &r.facts.Group
	g.Exists, g.InFlight, g.Retrying = true, info.Stats.TotalInFlightMessages, info.Stats.RetryBufferCount
	known, done := info.Stats.LastKnownEventRevision, info.Stats.LastCheckpointedEventRevision
	switch {
	case known == nil:
		g.Lag = 0
	case done == nil:
		g.Lag = *known + 1
	default:
		g.Lag = *known - min(*known, *done)
	}
	return nil
}

// linkTarget parses <revision>@<stream>.
func linkTarget(data []byte) (stream string, revision uint64, ok bool) {
	number, stream, ok := strings.Cut(string(data), "@")
	revision, err := strconv.ParseUint(number, 10, 64)
	return stream, revision, ok && err == nil
}

// truncatedBefore returns the first revision that a stream's metadata leaves readable.
func truncatedBefore(metadata []byte) uint64 {
	var m struct {
		Before uint64 `json:"$tb"`
	}
	if json.Unmarshal(metadata, &m) != nil {
		return 0
	}
	return m.Before
}
