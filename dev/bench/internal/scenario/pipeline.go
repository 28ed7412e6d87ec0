package scenario

import (
	"context"
	"fmt"
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
	var fulfilling []float64
	toConfirmed, err := l.compare(ctx, "confirmed", activitiesConfirmed, func(ctx context.Context) (float64, error) {
		b, err := p.confirm(ctx, load.Orders(l.each))
		if err != nil {
			return 0, err
		}
		fulfilling = append(fulfilling, b.rate(confirmed))
		return b.rate(confirmed, emailed), nil
	})
	if err != nil {
		return measure.Result{}, err
	}
	toShipped, err := l.compare(ctx, "shipped", ActivitiesShipped, func(ctx context.Context) (float64, error) {
		b, err := p.ship(ctx, load.Orders(l.each))
		if err != nil {
			return 0, err
		}
		return b.rate(shipped, emailed, notified), nil
	})
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{
		Ratios: append(toConfirmed, toShipped...),
		// Two of the three steps to confirmed, which therefore have no ceiling.
		Figures: []measure.Figure{{Name: "placed to row fulfilling", Unit: ordersUnit, Value: measure.Median(fulfilling)}},
	}, p.stop(ctx)
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

// compare returns the ratio of the rates of orders and of bare workflows with so many
// activities, and that of the processor time that one of them takes in Temporal.
func (l pipelineLoad) compare(
	ctx context.Context, outcome string, activities int, orders func(context.Context) (float64, error),
) ([]measure.Ratio, error) {
	costs := make([]measure.Round, l.rounds)
	rates, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, round int) (float64, error) {
			return l.costed(&costs[round].Product, "orders "+outcome, func() (float64, error) { return orders(ctx) })
		},
		func(ctx context.Context, round int) (float64, error) {
			return l.costed(&costs[round].Ceiling, "bare workflows", func() (float64, error) { return l.bare(ctx, activities) })
		})
	if err != nil {
		return nil, err
	}
	ceiling := fmt.Sprintf("%d empty activities", activities)
	return []measure.Ratio{
		measure.NewRatio("placed to "+outcome, ordersUnit, ceiling, measure.AtLeast(1.2), rates),
		measure.NewRatio("Temporal's processor time to "+outcome, "ms", ceiling, measure.Goal{}, costs),
	}, nil
}

// costed runs one side of a round, and sets the milliseconds of processor time that
// Temporal has spent on each of its orders.
func (l pipelineLoad) costed(cost *float64, side string, run func() (float64, error)) (rate float64, err error) {
	servers := l.product.servers
	before, err := servers.TemporalTime()
	if err != nil {
		return 0, err
	}
	if rate, err = run(); err != nil {
		return 0, err
	}
	after, err := servers.TemporalTime()
	*cost = (after - before).Seconds() * 1000 / float64(l.each)
	servers.Say("%s: %.1f/s, %.1f ms of Temporal's processor time each", side, rate, *cost)
	return rate, err
}

func (l pipelineLoad) bare(ctx context.Context, activities int) (float64, error) {
	took, err := l.ceiling.Run(ctx, load.Orders(l.each), l.inFlight, activities)
	return float64(l.each) / took.Round(time.Microsecond).Seconds(), err
}
