package scenario

import (
	"context"
	"time"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// repeatedEvents counts the events whose workflow an earlier attempt had started, which the
// starter did not learn of because the response was lost.
const repeatedEvents = `orderflow_bridge_events_total{result="duplicate"}`

func drain() Scenario {
	return Scenario{
		Name: "drain", Title: "Orders that waited for Temporal",
		About: "Orders are placed while Temporal is down and a starter runs. Temporal returns: from the opening of its port until all workflows are started. " +
			"The ceiling is bare ExecuteWorkflow calls afterwards, with the same options and input and as many in flight. No worker runs.",
		Run: runDrain,
	}
}

func runDrain(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	waiting := max(fewestStarts, size.Pick(2_000, 10_000))
	starter, err := servers.Run(ctx, "starter", nil)
	if err != nil {
		return measure.Result{}, err
	}
	if err := servers.StopTemporal(ctx); err != nil {
		return measure.Result{}, err
	}
	if err := load.Append(ctx, servers.Events.Client, load.Orders(waiting)); err != nil {
		return measure.Result{}, err
	}
	began, err := servers.RestartTemporal(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	if err := starter.AwaitSum(ctx, 1, startedEvents, repeatedEvents); err != nil {
		return measure.Result{}, err
	}
	first := time.Since(began)
	if err := starter.AwaitSum(ctx, waiting, startedEvents, repeatedEvents); err != nil {
		return measure.Result{}, err
	}
	took := time.Since(began).Seconds()
	servers.Say("%d waiting orders started in %.1f s, the first after %.1f s", waiting, took, first.Seconds())
	memory, err := starter.SettledMemory(ctx)
	if err != nil {
		return measure.Result{}, err
	}
	if err := starter.Stop(ctx); err != nil {
		return measure.Result{}, err
	}
	inFlight, err := servers.StartsInFlight()
	if err != nil {
		return measure.Result{}, err
	}
	bare, err := startBare(ctx, load.NewStarter(servers.Temporal), inFlight, waiting)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{
		Ratios: []measure.Ratio{measure.NewRatio("waiting events to started workflows", "starts/s", "bare ExecuteWorkflow", measure.Goal{},
			[]measure.Round{{Product: float64(waiting) / took, Ceiling: bare}})},
		Figures: []measure.Figure{
			{Name: "first order started after Temporal's return", Unit: "s", Value: first.Seconds()},
			{Name: "all orders started after Temporal's return", Unit: "s", Value: took},
			{Name: "starter, peak", Unit: "MiB", Value: memory.Peak, Goal: measure.AtMost(starterLimit)},
		},
	}, nil
}
