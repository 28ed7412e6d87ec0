package scenario

import (
	"context"
	"errors"
	"fmt"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

func viewLag() Scenario {
	return Scenario{
		Name: "view-lag", Title: "Lag of the customer view under load",
		About: "Starter, worker, publisher and projector run. Orders arrive at random at half of the capacity, which is measured first. The " +
			"lag of an order is the time from its last event, which the publisher appended, to the commit of its row in the view.",
		Run: runViewLag,
	}
}

func runViewLag(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	p, err := startProduct(ctx, servers)
	if err != nil {
		return measure.Result{}, err
	}
	var others []*rig.Program
	for _, name := range []string{"publisher", "projector"} {
		program, err := servers.Run(ctx, name, nil)
		if err != nil {
			return measure.Result{}, err
		}
		others = append(others, program)
	}
	if _, err := p.confirm(ctx, load.Orders(size.warmUp())); err != nil {
		return measure.Result{}, err
	}
	b, err := p.confirm(ctx, load.Orders(size.Pick(200, 2_000)))
	if err != nil {
		return measure.Result{}, err
	}
	rate := b.rate(confirmed, emailed) * goalShare / 100
	placed := arrivals(size, rate)
	servers.Say("%d orders at %.1f orders/s", len(placed), rate)
	if _, err := p.arrive(ctx, placed); err != nil {
		return measure.Result{}, err
	}
	ids := make([]string, len(placed))
	for i, a := range placed {
		ids[i] = a.Order.ID
	}
	if err := servers.AwaitViewed(ctx, ids); err != nil {
		return measure.Result{}, err
	}
	lags, err := servers.ViewLags(ctx, ids)
	if err != nil {
		return measure.Result{}, err
	}
	name := fmt.Sprintf("at %d %%, event to view", goalShare)
	result := measure.Result{Figures: measure.Latencies(name, lags, measure.AtMost(1), measure.Goal{})}
	return result, errors.Join(others[1].Stop(ctx), others[0].Stop(ctx), p.stop(ctx))
}
