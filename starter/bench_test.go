package main

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
	"orderflow/internal/routes"
	"orderflow/workflows"
)

// BenchmarkStarts measures how many orders a second the bridge starts, beside bare
// ExecuteWorkflow calls with the same input from as many goroutines. Both use one
// Temporal server in the same run, so their ratio says what the bridge costs:
//
//	go test ./starter -run '^$' -bench Starts -benchtime 3x
func BenchmarkStarts(b *testing.B) {
	const orders = 2000
	var bridged, bare time.Duration
	for b.Loop() {
		b.StopTimer()
		r := newBridgeRig(b)
		r.options.Concurrency = 64
		for range orders {
			id := newOrderID()
			r.append(id, placedEvent(id))
		}
		runtime.GC()
		b.StartTimer()
		bare += startBare(b, r, orders)
		began := time.Now()
		stop := r.run()
		r.awaitCounts(map[bridge.Result]int{bridge.Started: orders})
		bridged += time.Since(began)
		b.StopTimer()
		stop()
		b.StartTimer()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(b.N*orders)/bridged.Seconds(), "bridged/s")
	b.ReportMetric(float64(b.N*orders)/bare.Seconds(), "bare/s")
	b.ReportMetric(bare.Seconds()/bridged.Seconds(), "ratio")
}

// startBare starts workflows of other orders with the bridge's concurrency.
func startBare(b *testing.B, r *bridgeRig, orders int) time.Duration {
	b.Helper()
	ids := make(chan string, orders)
	for range orders {
		ids <- newOrderID()
	}
	close(ids)
	began := time.Now()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for id := range ids {
				input, err := routes.Input(bridge.Event(stored(id)))
				require.NoError(b, err)
				_, err = r.temporal.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{
					ID: id, TaskQueue: workflows.TaskQueue, TypedSearchAttributes: input.SearchAttributes(),
					Memo:          map[string]any{workflows.MemoSourceEventID: input.Source.EventID},
					StaticSummary: input.Summary(), StaticDetails: input.Details(),
				}, workflows.OrderFulfillmentType, input)
				require.NoError(b, err)
			}
		})
	}
	all.Wait()
	return time.Since(began)
}

func stored(id string) kurrent.Event {
	e := placedEvent(id)
	return kurrent.Event{ID: uuid.New(), Stream: id, Type: e.Type, ContentType: "application/json", Data: e.Data}
}
