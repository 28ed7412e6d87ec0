package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
	"orderflow/internal/config"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

func publish() Scenario {
	return Scenario{
		Name: "publish", Title: "Versions of fulfillments to events",
		About: "The publisher works off versions that wait in the replication slot. The ceiling is bare appends of the same bodies with the " +
			"same client, as many in flight over as many connections, each at an exact revision. Both count from the first event " +
			"that KurrentDB wrote to the last, by its own times.",
		Run: runPublish,
	}
}

func runPublish(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	settings, err := servers.PublisherSettings()
	if err != nil {
		return measure.Result{}, err
	}
	client, err := servers.OpenAppender(config.PublisherConnections)
	if err != nil {
		return measure.Result{}, err
	}
	defer client.Close()
	p := publishing{servers: servers, client: client, window: settings.Window, each: size.Pick(3_000, 50_000)}
	if _, err := p.publish(ctx, size.warmUp()); err != nil { // also creates the slot: later versions are read from the log
		return measure.Result{}, err
	}
	rounds, err := measure.Interleave(ctx, size.Rounds,
		func(ctx context.Context, _ int) (float64, error) { return p.publish(ctx, p.each) },
		func(ctx context.Context, _ int) (float64, error) { return p.append(ctx, p.each) },
	)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{
		Ratios:  []measure.Ratio{measure.NewRatio("versions to events", "events/s", "bare appends", measure.AtLeast(0.9), rounds)},
		Figures: []measure.Figure{{Name: "publisher, peak", Unit: "MiB", Value: p.peak}},
	}, nil
}

// publishing measures both sides on one log.
type publishing struct {
	servers *rig.Rig
	client  *kurrent.Client
	window  int // appends in flight
	each    int
	end     kurrent.Position // what was measured is before it
	like    kurrent.Event    // a published event
	peak    float64          // of the publisher's memory, in MiB
}

// publish writes the rows of orders while no publisher runs, and returns how many of their
// versions a publisher publishes per second.
func (p *publishing) publish(ctx context.Context, count int) (float64, error) {
	run := "order-" + uuid.NewString()
	orders := make([]string, count)
	for i := range orders {
		orders[i] = fmt.Sprintf("%s-%d", run, i)
	}
	if err := p.servers.InsertFulfillments(ctx, "customer-"+uuid.NewString(), orders); err != nil {
		return 0, err
	}
	publisher, err := p.servers.Run(ctx, "publisher", nil)
	if err != nil {
		return 0, err
	}
	if err := p.awaitStream(ctx, fulfillment.Stream(orders[count-1])); err != nil {
		return 0, err
	}
	_, peak, err := publisher.Memory()
	if err != nil {
		return 0, err
	}
	p.peak = max(p.peak, peak)
	if err := publisher.Stop(ctx); err != nil { // after what is in flight
		return 0, err
	}
	return p.rate(ctx, fulfillment.Stream(run), count)
}

// streamPoll is how often KurrentDB is asked for the last stream. The metrics of the
// publisher would cost it four queries each time.
const streamPoll = 50 * time.Millisecond

func (p *publishing) awaitStream(ctx context.Context, stream string) (err error) {
	ticker := time.NewTicker(streamPoll)
	defer ticker.Stop()
	for {
		p.like, err = p.client.ReadEvent(ctx, stream, 0)
		if !errors.Is(err, kurrent.ErrNotFound) {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// append returns how many events per second bare appends write, each to its own stream.
func (p *publishing) append(ctx context.Context, count int) (float64, error) {
	run := "bare-" + uuid.NewString()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(p.window)
	for i := range count {
		group.Go(func() error {
			event := kurrent.NewEvent{ID: uuid.New(), Type: p.like.Type, Data: p.like.Data, Metadata: p.like.Metadata}
			_, err := p.client.Append(groupCtx, fmt.Sprintf("%s-%d", run, i), kurrent.NoStream(), event)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return 0, err
	}
	return p.rate(ctx, run, count)
}

func (p *publishing) rate(ctx context.Context, prefix string, count int) (float64, error) {
	written, err := load.ReadWritten(ctx, p.client, prefix, p.end)
	if err == nil && written.Count != count {
		err = fmt.Errorf("%d events on streams %s..., not %d", written.Count, prefix, count)
	}
	p.end = written.End
	return written.Rate(), err
}
