package scenario

import (
	"context"
	"fmt"
	"time"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

const (
	// arrivalTime is how long orders arrive at each rate in a short run.
	arrivalTime = 30 * time.Second

	// fullArrivals is how many orders arrive at each rate in a full run.
	fullArrivals = 10_000

	// goalShare is the share of the capacity whose latencies have goals.
	goalShare = 50
)

func latency() Scenario {
	return Scenario{
		Name: "latency", Title: "Latency of an order at a share of the capacity",
		About: "The capacity is measured first: orders placed at once, until the last one is confirmed and its email sent. Then orders of " +
			"independent customers arrive at random at a share of that rate, however busy the product is. Latency counts from the " +
			"time at which an order was meant to be placed, so it includes the append.",
		Run: runLatency,
	}
}

func runLatency(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	p, err := startProduct(ctx, servers)
	if err != nil {
		return measure.Result{}, err
	}
	if _, err := p.confirm(ctx, load.Orders(size.warmUp())); err != nil {
		return measure.Result{}, err
	}
	b, err := p.confirm(ctx, load.Orders(size.Pick(300, 2_000)))
	if err != nil {
		return measure.Result{}, err
	}
	capacity := b.rate(confirmed, emailed)
	servers.Say("capacity: %.1f orders/s", capacity)
	result := measure.Result{Figures: []measure.Figure{{Name: "capacity", Unit: "orders/s", Value: capacity}}}
	var shown latencyChart
	for _, share := range []int{25, goalShare, 75} {
		l, err := p.arrive(ctx, arrivals(size, capacity*float64(share)/100))
		if err != nil {
			return measure.Result{}, fmt.Errorf("at %d %%: %w", share, err)
		}
		figures := l.figures(share)
		servers.Say("at %d %%: %d orders, at most %.2f s", share, len(l.confirmed), figures[len(figures)-1].Value)
		result.Figures = append(result.Figures, figures...)
		shown.add(share, figures[len(figures)-4:])
	}
	result.Charts = []measure.Chart{shown.chart()}
	return result, p.stop(ctx)
}

func arrivals(size Size, rate float64) []load.Arrival {
	short := max(1, int(rate*arrivalTime.Seconds()))
	return load.Arrivals(size.Pick(short, fullArrivals), rate)
}

// latencies are the latencies of orders that arrived.
type latencies struct{ started, confirmed []time.Duration }

// arrive places orders at their times and returns how long each took from its time.
func (p product) arrive(ctx context.Context, arrivals []load.Arrival) (latencies, error) {
	mark, err := p.servers.Mark(ctx)
	if err != nil {
		return latencies{}, err
	}
	began := time.Now()
	err = load.Arrive(ctx, began, arrivals, func(ctx context.Context, o load.Order) error {
		return load.AppendOne(ctx, p.servers.Events.Client, o)
	})
	if err != nil {
		return latencies{}, err
	}
	if err := p.settle(ctx, mark, len(arrivals)); err != nil {
		return latencies{}, err
	}
	times, err := p.servers.Times(ctx, mark)
	if err != nil {
		return latencies{}, err
	}
	starts, err := p.servers.StartTimes(ctx, began)
	if err != nil {
		return latencies{}, err
	}
	var l latencies
	for _, a := range arrivals {
		started, found := starts[a.Order.ID]
		if !found {
			return latencies{}, fmt.Errorf("%s is not listed", a.Order.ID)
		}
		meant := began.Add(a.At)
		l.started = append(l.started, started.Sub(meant))
		l.confirmed = append(l.confirmed, times[a.Order.ID].Confirmed.Sub(meant))
	}
	return l, nil
}

// figures returns the percentiles to started, and then those to confirmed.
func (l latencies) figures(share int) []measure.Figure {
	var p99, most measure.Goal
	if share == goalShare {
		p99, most = measure.AtMost(1), measure.AtMost(2)
	}
	at := fmt.Sprintf("at %d %%, placed to ", share)
	return append(
		measure.Latencies(at+"started", l.started, measure.Goal{}, measure.Goal{}),
		measure.Latencies(at+"confirmed", l.confirmed, p99, most)...)
}

// latencyChart collects a line for each percentile.
type latencyChart struct{ points [4][][2]float64 }

func (c *latencyChart) add(share int, percentiles []measure.Figure) {
	for i, f := range percentiles {
		c.points[i] = append(c.points[i], [2]float64{float64(share), f.Value})
	}
}

func (c *latencyChart) chart() measure.Chart {
	chart := measure.Chart{Name: "confirmed", Title: "Placed to confirmed", X: "share of the capacity (%)", Y: "latency (s)"}
	for i, name := range []string{"p50", "p95", "p99", "max"} {
		chart.Lines = append(chart.Lines, measure.NewLine(name, c.points[i]))
	}
	return chart
}
