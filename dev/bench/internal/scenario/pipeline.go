package scenario

import (
	"context"
	"time"

	"orderflow/dev/bench/internal/bare"
	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// activitiesConfirmed is how many activities a bare workflow has that is compared with a
// confirmed order, which has reserved credit, started the fulfillment and sent an email.
const activitiesConfirmed = 3

// ActivitiesShipped is the same for a shipped order, which has closed the fulfillment and
// sent a second email in addition.
const ActivitiesShipped = 5

const ordersUnit = "orders/s"

func pipeline() Scenario {
	return Scenario{
		Name: PipelineName, Title: "Placed to confirmed, and to shipped",
		About: "Orders of as many customers are placed at once, while starter and worker run. An order counts as confirmed when its " +
			"row is fulfilling and its confirmation email was accepted, and as shipped when its row is shipped and both emails were " +
			"accepted. Shipments are signaled as soon as the row is fulfilling. The ceiling is a workflow of 3 empty regular activities, or 5 to shipped, on a worker with the " +
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
	inFlight, err := servers.StartsInFlight()
	if err != nil {
		return measure.Result{}, err
	}
	ceiling, err := bare.Start(servers.Temporal, settings, activitiesConfirmed, ActivitiesShipped)
	if err != nil {
		return measure.Result{}, err
	}
	defer ceiling.Close()
	l := pipelineLoad{product: p, ceiling: ceiling, inFlight: inFlight, each: size.Pick(150, 2_000), rounds: size.Rounds}
	if err := l.warmUp(ctx, size); err != nil {
		return measure.Result{}, err
	}
	confirm, fulfilling, err := l.confirmed(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	ship, err := l.shipped(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{Ratios: []measure.Ratio{confirm, ship}, Figures: []measure.Figure{fulfilling}}, p.stop(ctx)
}

// pipelineLoad alternates batches of orders with batches of bare workflows.
type pipelineLoad struct {
	product product
	ceiling *bare.Worker

	inFlight int // bare starts
	each     int // orders in a batch
	rounds   int
}

func (l pipelineLoad) warmUp(ctx context.Context, size Size) error {
	if _, err := l.product.ship(ctx, load.Orders(size.warmUp())); err != nil {
		return err
	}
	_, err := l.ceiling.Run(ctx, load.Orders(size.warmUp()), l.inFlight, ActivitiesShipped)
	return err
}

// confirmed returns the ratio to confirmed orders, and the rate to fulfilling rows, which
// is two of the three steps and therefore has no ceiling.
func (l pipelineLoad) confirmed(ctx context.Context) (measure.Ratio, measure.Figure, error) {
	var fulfilling []float64
	rounds, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, _ int) (float64, error) {
			b, err := l.product.confirm(ctx, load.Orders(l.each))
			if err != nil {
				return 0, err
			}
			fulfilling = append(fulfilling, b.rate(confirmed))
			rate := b.rate(confirmed, emailed)
			l.say("orders confirmed", rate)
			return rate, nil
		},
		func(ctx context.Context, _ int) (float64, error) { return l.bare(ctx, activitiesConfirmed) })
	if err != nil {
		return measure.Ratio{}, measure.Figure{}, err
	}
	return measure.NewRatio("placed to confirmed", ordersUnit, "3 empty activities", measure.AtLeast(1.2), rounds),
		measure.Figure{Name: "placed to row fulfilling", Unit: ordersUnit, Value: measure.Median(fulfilling)}, nil
}

func (l pipelineLoad) shipped(ctx context.Context) (measure.Ratio, error) {
	rounds, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, _ int) (float64, error) {
			b, err := l.product.ship(ctx, load.Orders(l.each))
			if err != nil {
				return 0, err
			}
			rate := b.rate(shipped, emailed, notified)
			l.say("orders shipped", rate)
			return rate, nil
		},
		func(ctx context.Context, _ int) (float64, error) { return l.bare(ctx, ActivitiesShipped) })
	if err != nil {
		return measure.Ratio{}, err
	}
	return measure.NewRatio(ShippedRatio, ordersUnit, "5 empty activities", measure.AtLeast(1.2), rounds), nil
}

func (l pipelineLoad) bare(ctx context.Context, activities int) (float64, error) {
	took, err := l.ceiling.Run(ctx, load.Orders(l.each), l.inFlight, activities)
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
