package scenario

import (
	"context"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// ordersAlone is how many orders are placed one after the other to find out how long one
// takes alone.
const ordersAlone = 5

// mostBursts bounds the rounds of a short run, each of which takes as long as a burst.
const mostBursts = 3

func fairness() Scenario {
	return Scenario{
		Name: "fairness", Title: "A customer's order behind another customer's burst",
		About: "One customer places 600 orders, then another one places one. Its time from the start of its workflow to confirmed is " +
			"compared with the same of an order that is alone: the median of 5. Its wait in the bridge, which takes the events of all " +
			"customers in order, comes before that time.",
		Run: runFairness,
	}
}

func runFairness(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	p, err := startProduct(ctx, servers)
	if err != nil {
		return measure.Result{}, err
	}
	if _, err := p.confirm(ctx, load.Orders(size.warmUp())); err != nil {
		return measure.Result{}, err
	}
	rounds := size.Rounds
	if !size.Full {
		rounds = min(rounds, mostBursts)
	}
	var inBridge, untilTask, bursts []float64
	measured, err := measure.Interleave(ctx, rounds,
		func(ctx context.Context, _ int) (float64, error) {
			b, err := p.behindBurst(ctx, size.Pick(600, 600))
			if err != nil {
				return 0, err
			}
			inBridge, untilTask = append(inBridge, b.inBridge.Seconds()), append(untilTask, b.untilTask.Seconds())
			bursts = append(bursts, b.took.Seconds())
			servers.Say("behind a burst: %.0f ms in the bridge, then %.0f ms, of which %.0f ms until its first workflow task",
				b.inBridge.Seconds()*1000, b.confirmed.Seconds()*1000, b.untilTask.Seconds()*1000)
			return b.confirmed.Seconds(), nil
		},
		func(ctx context.Context, _ int) (float64, error) { return p.alone(ctx) },
	)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{
		Ratios: []measure.Ratio{
			measure.NewRatio("started to confirmed", "s", "alone", measure.AtMost(3), measured),
		},
		Figures: []measure.Figure{
			{Name: "of that, until its first workflow task", Unit: "s", Value: measure.Median(untilTask)},
			{Name: "wait in the bridge before that", Unit: "s", Value: measure.Median(inBridge)},
			{Name: "burst placed to confirmed", Unit: "s", Value: measure.Median(bursts)},
		},
	}, p.stop(ctx)
}

// wait is what one order waited for.
type wait struct {
	inBridge  time.Duration // from its event to its workflow
	untilTask time.Duration // from its workflow to its first workflow task
	confirmed time.Duration // from its workflow to confirmed
	took      time.Duration // until the burst before it was confirmed
}

// behindBurst returns what the order of one customer waits for after another customer has
// placed so many orders.
func (p product) behindBurst(ctx context.Context, count int) (wait, error) {
	mark, err := p.servers.Mark(ctx)
	if err != nil {
		return wait{}, err
	}
	began := time.Now()
	if err := load.Append(ctx, p.servers.Events.Client, load.OrdersOf("customer-"+uuid.NewString(), count)); err != nil {
		return wait{}, err
	}
	other := load.Orders(1)
	appended := time.Now()
	if err := load.Append(ctx, p.servers.Events.Client, other); err != nil {
		return wait{}, err
	}
	if err := p.settle(ctx, mark, count+1); err != nil {
		return wait{}, err
	}
	times, err := p.servers.Times(ctx, mark)
	if err != nil {
		return wait{}, err
	}
	started, err := p.servers.StartTime(ctx, other[0].ID)
	if err != nil {
		return wait{}, err
	}
	task, err := p.servers.FirstTask(ctx, other[0].ID)
	if err != nil {
		return wait{}, err
	}
	at := times[other[0].ID].Confirmed
	took := float64(len(times)) / batch{began: began, times: times}.rate(confirmed)
	return wait{
		inBridge: started.Sub(appended), untilTask: task.Sub(started), confirmed: at.Sub(started), took: time.Duration(took * float64(time.Second)),
	}, nil
}

// alone returns the median time from a workflow's start to confirmed of orders that are
// placed one after the other, in seconds.
func (p product) alone(ctx context.Context) (float64, error) {
	var samples []float64
	for range ordersAlone {
		one := load.Orders(1)
		b, err := p.confirm(ctx, one)
		if err != nil {
			return 0, err
		}
		started, err := p.servers.StartTime(ctx, one[0].ID)
		if err != nil {
			return 0, err
		}
		samples = append(samples, b.times[one[0].ID].Confirmed.Sub(started).Seconds())
	}
	p.servers.Say("alone: %.0f ms", measure.Median(samples)*1000)
	return measure.Median(samples), nil
}
