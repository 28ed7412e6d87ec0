package scenario

import (
	"context"
	"time"

	"orderflow/dev/bench/internal/bare"
	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// The activities of the bare workflows. A confirmed order has reserved credit, started the
// fulfillment and sent an email; a shipped one has closed the fulfillment and sent a second
// email in addition.
const (
	activitiesConfirmed = 3
	activitiesShipped   = 5
)

func pipeline() Scenario {
	return Scenario{
		Name: "pipeline", Title: "Placed to confirmed, and to shipped",
		About: "Orders of as many customers are placed at once, while starter and worker run. An order is confirmed when its row " +
			"is fulfilling; a second ratio counts until the last confirmation email was accepted. Shipments are signaled as soon as " +
			"an order is confirmed. The ceiling is a workflow of 3 empty regular activities, or 5 to shipped, on a worker with the " +
			"same slots and pollers, started by bare ExecuteWorkflow calls with the same options and input.",
		Run: runPipeline,
	}
}

func runPipeline(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	p, err := startProduct(ctx, servers)
	if err != nil {
		return measure.Result{}, err
	}
	settings, err := servers.WorkerSettings()
	if err != nil {
		return measure.Result{}, err
	}
	ceiling, err := bare.Start(servers.Temporal, settings, activitiesConfirmed, activitiesShipped)
	if err != nil {
		return measure.Result{}, err
	}
	defer ceiling.Close()
	l := pipelineLoad{product: p, ceiling: ceiling, each: size.Pick(150, 2_000), rounds: size.Rounds}
	if err := l.warmUp(ctx, size); err != nil {
		return measure.Result{}, err
	}
	ratios, err := l.confirmed(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	ship, err := l.shipped(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{Ratios: append(ratios, ship)}, p.stop(ctx)
}

// pipelineLoad alternates batches of orders with batches of bare workflows.
type pipelineLoad struct {
	product product
	ceiling *bare.Worker
	each    int // orders in a batch
	rounds  int
}

func (l pipelineLoad) warmUp(ctx context.Context, size Size) error {
	if _, err := l.product.ship(ctx, load.Orders(size.warmUp())); err != nil {
		return err
	}
	_, err := l.ceiling.Run(ctx, load.Orders(size.warmUp()), startsInFlight, activitiesShipped)
	return err
}

// confirmed returns the ratio to confirmed orders, and that to sent emails, which are
// measured in the same rounds.
func (l pipelineLoad) confirmed(ctx context.Context) ([]measure.Ratio, error) {
	toEmailed := make([]measure.Round, l.rounds)
	toConfirmed, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, round int) (float64, error) {
			b, err := l.product.confirm(ctx, load.Orders(l.each))
			if err != nil {
				return 0, err
			}
			toEmailed[round].Product = b.rate(emailed)
			l.say("orders confirmed", b.rate(confirmed))
			return b.rate(confirmed), nil
		},
		func(ctx context.Context, round int) (rate float64, err error) {
			rate, err = l.bare(ctx, activitiesConfirmed)
			toEmailed[round].Ceiling = rate
			return rate, err
		})
	if err != nil {
		return nil, err
	}
	return []measure.Ratio{
		measure.NewRatio("placed to confirmed", "orders/s", "3 empty activities", measure.AtLeast(1.2), toConfirmed),
		measure.NewRatio("placed to email sent", "orders/s", "3 empty activities", measure.Goal{}, toEmailed),
	}, nil
}

func (l pipelineLoad) shipped(ctx context.Context) (measure.Ratio, error) {
	rounds, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, _ int) (float64, error) {
			b, err := l.product.ship(ctx, load.Orders(l.each))
			if err != nil {
				return 0, err
			}
			l.say("orders shipped", b.rate(shipped))
			return b.rate(shipped), nil
		},
		func(ctx context.Context, _ int) (float64, error) { return l.bare(ctx, activitiesShipped) })
	if err != nil {
		return measure.Ratio{}, err
	}
	return measure.NewRatio("placed to shipped", "orders/s", "5 empty activities", measure.AtLeast(1.2), rounds), nil
}

func (l pipelineLoad) bare(ctx context.Context, activities int) (float64, error) {
	took, err := l.ceiling.Run(ctx, load.Orders(l.each), startsInFlight, activities)
	if err != nil {
		return 0, err
	}
	rate := float64(l.each) / took.Round(time.Microsecond).Seconds()
	l.say("bare workflows", rate)
	return rate, nil
}

func (l pipelineLoad) say(what string, rate float64) {
	l.product.servers.Say("%s: %.1f/s", what, rate)
}
