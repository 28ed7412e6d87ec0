package scenario

import (
	"context"
	"time"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// startedEvents counts the events that the starter has started workflows for.
const startedEvents = `orderflow_bridge_events_total{result="started"}`

func bridgeStarts() Scenario {
	return Scenario{
		Name: BridgeName, Title: "Events to started workflows",
		About: "The starter works off a backlog of order-placed events. The ceiling is bare ExecuteWorkflow calls with the same " +
			"options and input and as many in flight. No worker runs.",
		Run: runBridge,
	}
}

// fewestStarts is the smallest backlog with a rate, which counts from the first start to
// the last.
const fewestStarts = 2

func runBridge(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	each := max(fewestStarts, size.Pick(4_000, 20_000)/size.Rounds)
	inFlight, err := servers.StartsInFlight()
	if err != nil {
		return measure.Result{}, err
	}
	bare := load.NewStarter(servers.Temporal)
	rounds, err := measure.Interleave(ctx, size.Rounds,
		func(ctx context.Context, _ int) (float64, error) { return startBacklog(ctx, servers, each) },
		func(ctx context.Context, _ int) (float64, error) { return startBare(ctx, bare, inFlight, each) },
	)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{Ratios: []measure.Ratio{
		measure.NewRatio(StartsRatio, "starts/s", "bare ExecuteWorkflow", measure.AtLeast(0.95), rounds),
	}}, nil
}

// startBacklog returns how many workflows per second the starter starts for a backlog that
// is there before it.
func startBacklog(ctx context.Context, servers *rig.Rig, count int) (float64, error) {
	if err := load.Append(ctx, servers.Events.Client, load.Orders(count)); err != nil {
		return 0, err
	}
	starter, err := servers.Run(ctx, "starter", nil)
	if err != nil {
		return 0, err
	}
	rate, err := starter.Rate(ctx, startedEvents, count)
	if err != nil {
		return 0, err
	}
	servers.Say("starter: %.0f starts/s", rate)
	return rate, starter.Stop(ctx)
}

// startBare returns how many workflows per second bare calls start, with so many in flight. It is measured as the
// starter is: from the first start to the last.
func startBare(ctx context.Context, bare load.Starter, inFlight, count int) (float64, error) {
	orders := load.Orders(count)
	if err := bare.Start(ctx, orders[0]); err != nil {
		return 0, err
	}
	began := time.Now()
	err := load.Each(ctx, inFlight, orders[1:], bare.Start)
	return float64(count-1) / time.Since(began).Seconds(), err
}
