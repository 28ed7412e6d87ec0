package scenario

import (
	"context"
	"fmt"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// growthBatch is how many orders are placed at once. The next ones are placed when these
// are confirmed, so that what grows is what waits, not what is in flight.
const growthBatch = 200

func growth() Scenario {
	return Scenario{
		Name: "growth", Title: "Memory while orders wait",
		About: "Orders are placed, confirmed and then wait for their shipment. The resident memory of starter and worker is read " +
			"after a garbage collection that ended after the last order, and compared with that while fewer orders wait.",
		Run: runGrowth,
	}
}

func runGrowth(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	most := size.Pick(2_400, 100_000)
	steps := []int{most / 2, most} // the worker's caches are full by the first
	if size.Full {
		steps = []int{most / 100, most / 10, most}
	}
	p, err := startProduct(ctx, servers)
	if err != nil {
		return measure.Result{}, err
	}
	var result measure.Result
	var starters, workers [][2]float64
	placed := 0
	for _, waiting := range steps {
		for placed < waiting {
			more := min(growthBatch, waiting-placed)
			if _, err := p.confirm(ctx, load.Orders(more)); err != nil {
				return measure.Result{}, err
			}
			placed += more
		}
		for _, one := range []struct {
			program *rig.Program
			points  *[][2]float64
		}{{p.starter, &starters}, {p.worker, &workers}} {
			memory, err := one.program.SettledMemory(ctx)
			if err != nil {
				return measure.Result{}, err
			}
			*one.points = append(*one.points, [2]float64{float64(waiting), memory.Resident})
			result.Figures = append(result.Figures, memoryFigures(one.program, waiting, memory)...)
		}
		servers.Say("%d orders wait: starter %.0f MiB, worker %.0f MiB", waiting, starters[len(starters)-1][1], workers[len(workers)-1][1])
	}
	for _, one := range []struct {
		program *rig.Program
		points  [][2]float64
	}{{p.starter, starters}, {p.worker, workers}} {
		for _, point := range one.points[1:] {
			result.Ratios = append(result.Ratios, measure.NewRatio(
				fmt.Sprintf("memory of the %s, %.0f orders waiting", one.program.Name(), point[0]), "MiB", fmt.Sprintf("%d orders waiting", steps[0]),
				measure.AtMost(1.1), []measure.Round{{Product: point[1], Ceiling: one.points[0][1]}}))
		}
	}
	result.Charts = []measure.Chart{{
		Name: "curve", Title: "Resident memory while orders wait", X: "orders waiting", Y: "MiB",
		Lines: []measure.Line{measure.NewLine("starter", starters), measure.NewLine("worker", workers)},
	}}
	return result, p.stop(ctx)
}

// starterLimit is the most memory that a starter may have had, in MiB.
const starterLimit = 64

func memoryFigures(program *rig.Program, waiting int, m rig.Memory) []measure.Figure {
	name := func(what string) string {
		return fmt.Sprintf("%s, %d orders waiting: %s", program.Name(), waiting, what)
	}
	peak := measure.Figure{Name: name("peak"), Unit: "MiB", Value: m.Peak}
	if program.Name() == "starter" {
		peak.Goal = measure.AtMost(starterLimit)
	}
	return []measure.Figure{{Name: name("live heap"), Unit: "MiB", Value: m.Heap}, peak}
}
