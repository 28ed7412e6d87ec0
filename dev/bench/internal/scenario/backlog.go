package scenario

import (
	"context"
	"slices"
	"time"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

func backlog() Scenario {
	return Scenario{
		Name: "backlog", Title: "Order of work under a backlog",
		About: "The starter starts a workflow for each order while no worker runs; then a worker starts. The mean time from then to " +
			"confirmed is compared with what it would be if orders were finished one after the other in the same total time: half of it.",
		Run: runBacklog,
	}
}

func runBacklog(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	if _, err := startBacklog(ctx, servers, size.Pick(2_000, 10_000)); err != nil {
		return measure.Result{}, err
	}
	waits, err := workOff(ctx, servers, size.Pick(2_000, 10_000))
	if err != nil {
		return measure.Result{}, err
	}
	total, count := waits[len(waits)-1], float64(len(waits))
	round := measure.Round{Product: measure.Mean(waits), Ceiling: total * (count + 1) / (2 * count)}
	return measure.Result{
		Ratios: []measure.Ratio{
			measure.NewRatio("mean wait for confirmation", "s", "finished in turn", measure.AtMost(1.1), []measure.Round{round}),
		},
		Figures: []measure.Figure{
			{Name: "first order confirmed", Unit: "s", Value: waits[0]},
			{Name: "all orders confirmed", Unit: "s", Value: total},
		},
		Charts: []measure.Chart{{
			Name: "curve", Title: "Orders confirmed after a worker starts", X: "time since the worker started (s)", Y: "orders confirmed",
			Lines: []measure.Line{
				measure.NewLine("Orderflow", curve(waits)),
				measure.NewLine("finished in turn", [][2]float64{{0, 0}, {total, count}}),
			},
		}},
	}, nil
}

// workOff starts a worker for orders whose workflows have been started, and returns how
// long each then waited until it was confirmed, in seconds, the shortest first.
func workOff(ctx context.Context, servers *rig.Rig, count int) ([]float64, error) {
	mark, err := servers.Mark(ctx)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	worker, err := servers.Run(ctx, "worker", nil)
	if err != nil {
		return nil, err
	}
	if err := servers.AwaitConfirmed(ctx, mark, count); err != nil {
		return nil, err
	}
	times, err := servers.Times(ctx, mark)
	if err != nil {
		return nil, err
	}
	waits := make([]float64, 0, count)
	for _, t := range times {
		waits = append(waits, t.Confirmed.Sub(began).Seconds())
	}
	slices.Sort(waits)
	servers.Say("%d orders confirmed in %.1f s", count, waits[len(waits)-1])
	return waits, worker.Stop(ctx)
}

// curve returns how many orders were done after each wait.
func curve(waits []float64) [][2]float64 {
	points := [][2]float64{{0, 0}}
	for i, wait := range waits {
		points = append(points, [2]float64{wait, float64(i + 1)})
	}
	return points
}
