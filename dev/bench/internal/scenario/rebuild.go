package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
	"orderflow/internal/config"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

func rebuild() Scenario {
	return Scenario{
		Name: "rebuild", Title: "Rebuild of the customer view",
		About: "orderflow view rebuild over a log of orders with four events each, until the new view has replaced the old one. The ceiling is " +
			"the same subscription, whose events are counted and dropped.",
		Run: runRebuild,
	}
}

const (
	// eventsEach is how many events an order has: placed, reserved, approved, shipped.
	eventsEach = 4

	// ordersEach is how many orders a customer has.
	ordersEach = 20
)

func runRebuild(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	events := size.Pick(60_000, 1_000_000)
	if err := fillLog(ctx, servers, events/eventsEach/ordersEach); err != nil {
		return measure.Result{}, err
	}
	rounds, err := measure.Interleave(ctx, size.Rounds,
		func(ctx context.Context, _ int) (float64, error) {
			return perSecond(events, func() error { return servers.Finish(ctx, "orderflow", "view", "rebuild") })
		},
		func(ctx context.Context, _ int) (float64, error) {
			return perSecond(events, func() error {
				read, err := servers.Events.CountEvents(ctx, kurrent.Follow{Prefixes: view.Prefixes()}, events)
				if err == nil && read != events {
					err = fmt.Errorf("the log has %d events, not %d", read, events)
				}
				return err
			})
		},
	)
	if err != nil {
		return measure.Result{}, err
	}
	return measure.Result{Ratios: []measure.Ratio{
		measure.NewRatio("events to the rebuilt view", "events/s", "bare reading", measure.AtLeast(0.5), rounds),
	}}, nil
}

func perSecond(count int, work func() error) (float64, error) {
	began := time.Now()
	err := work()
	return float64(count) / time.Since(began).Seconds(), err
}

// fillLog writes the events of so many customers' orders.
func fillLog(ctx context.Context, servers *rig.Rig, customers int) error {
	client, err := servers.OpenAppender(config.PublisherConnections)
	if err != nil {
		return err
	}
	defer client.Close()
	return load.Each(ctx, config.PublisherConnections, load.Orders(customers), func(ctx context.Context, customer load.Order) error {
		orders := load.OrdersOf(customer.Customer, ordersEach)
		var reserved []kurrent.NewEvent
		for _, o := range orders {
			reserved = append(reserved, recorded("credit-reserved", map[string]any{"orderId": o.ID, "amount": "USD1.21"}))
		}
		if _, err := client.Append(ctx, credit.Stream(customer.Customer), kurrent.NoStream(), reserved...); err != nil {
			return err
		}
		for _, o := range orders {
			if err := load.AppendOne(ctx, client, o); err != nil {
				return err
			}
			versions := []kurrent.NewEvent{
				versionEvent(o, fulfillment.TypeApproved, order.StatusFulfilling, 0), versionEvent(o, fulfillment.TypeShipped, order.StatusShipped, 1),
			}
			if _, err := client.Append(ctx, fulfillment.Stream(o.ID), kurrent.NoStream(), versions...); err != nil {
				return err
			}
		}
		return nil
	})
}

// versionEvent returns the event of a version with the images that the publisher adds.
func versionEvent(o load.Order, eventType string, status order.Status, revision int) kurrent.NewEvent {
	image := func(status order.Status, revision int) map[string]any {
		return map[string]any{
			"order_id": o.ID, "customer_id": o.Customer, "status": status, "reason": "", "total_minor": 121, "currency": "USD",
			"shipping_method": "express", "carrier": "", "tracking_number": "", "source_event_id": uuid.NewString(),
			"placed_at": "2026-01-01T00:00:00Z", "revision": revision,
		}
	}
	var before any
	if revision > 0 {
		before = image(order.StatusFulfilling, revision-1)
	}
	return recorded(eventType, map[string]any{
		"orderId": o.ID, "customerId": o.Customer, "status": status, "reason": "", "total": "USD1.21", "carrier": "", "trackingNumber": "",
		"revision": revision, "old": before, "new": image(status, revision),
	})
}

func recorded(eventType string, body map[string]any) kurrent.NewEvent {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings and numbers
	}
	trace := correlation.Trace{CorrelationID: uuid.NewString()}
	return kurrent.NewEvent{ID: uuid.New(), Type: eventType, Data: data, Metadata: trace.Metadata(uuid.NewString())}
}
