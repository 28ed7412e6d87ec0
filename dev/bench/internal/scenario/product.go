package scenario

import (
	"context"
	"errors"
	"time"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/rig"
	"orderflow/workflows"
)

// product is the running starter and worker.
type product struct {
	servers         *rig.Rig
	starter, worker *rig.Program
}

func startProduct(ctx context.Context, servers *rig.Rig) (product, error) {
	p := product{servers: servers}
	var err error
	if p.starter, err = servers.Run(ctx, "starter", nil); err != nil {
		return product{}, err
	}
	p.worker, err = servers.Run(ctx, "worker", nil)
	return p, err
}

// stop stops both. A process that has to be killed is an error.
func (p product) stop(ctx context.Context) error {
	return errors.Join(p.starter.Stop(ctx), p.worker.Stop(ctx))
}

// batch is a number of orders that were placed at once.
type batch struct {
	began time.Time            // the first was placed then
	times map[string]rig.Times // by order
}

// place places orders at once. It returns the mark that they come after.
func (p product) place(ctx context.Context, orders []load.Order) (rig.Mark, batch, error) {
	mark, err := p.servers.Mark(ctx)
	if err != nil {
		return mark, batch{}, err
	}
	b := batch{began: time.Now()}
	return mark, b, load.Append(ctx, p.servers.Events.Client, orders)
}

// confirm places orders at once and waits until all are confirmed and their emails sent.
func (p product) confirm(ctx context.Context, orders []load.Order) (batch, error) {
	mark, b, err := p.place(ctx, orders)
	if err != nil {
		return batch{}, err
	}
	if err := p.settle(ctx, mark, len(orders)); err != nil {
		return batch{}, err
	}
	b.times, err = p.servers.Times(ctx, mark)
	return b, err
}

// settle waits until the orders that were placed since the mark are confirmed and their
// emails sent.
func (p product) settle(ctx context.Context, since rig.Mark, count int) error {
	if err := p.servers.AwaitConfirmed(ctx, since, count); err != nil {
		return err
	}
	return p.servers.AwaitEmails(ctx)
}

// ship places orders at once, ships each as soon as it is confirmed, and waits until all
// are shipped and their emails sent.
func (p product) ship(ctx context.Context, orders []load.Order) (batch, error) {
	mark, b, err := p.place(ctx, orders)
	if err != nil {
		return batch{}, err
	}
	if err := p.shipConfirmed(ctx, mark, len(orders)); err != nil {
		return batch{}, err
	}
	if err := p.servers.AwaitShipped(ctx, mark, len(orders)); err != nil {
		return batch{}, err
	}
	if err := p.servers.AwaitEmails(ctx); err != nil {
		return batch{}, err
	}
	b.times, err = p.servers.Times(ctx, mark)
	return b, err
}

// signals is how many signals are in flight.
const signals = 64

// shipConfirmed signals so many orders that are confirmed after the mark, each as soon as
// that is seen.
func (p product) shipConfirmed(ctx context.Context, since rig.Mark, count int) error {
	signaled := make(map[string]bool, count)
	for len(signaled) < count {
		if err := p.servers.AwaitConfirmed(ctx, since, len(signaled)+1); err != nil {
			return err
		}
		ids, err := p.servers.Confirmed(ctx, since)
		if err != nil {
			return err
		}
		var fresh []load.Order
		for _, id := range ids {
			if !signaled[id] {
				signaled[id] = true
				fresh = append(fresh, load.Order{ID: id})
			}
		}
		if err := load.Each(ctx, signals, fresh, p.signalShipped); err != nil {
			return err
		}
	}
	return nil
}

func (p product) signalShipped(ctx context.Context, o load.Order) error {
	shipment := workflows.RecordShipment{Carrier: "Carrier", TrackingNumber: "1"}
	return p.servers.Temporal.SignalWorkflow(ctx, o.ID, "", workflows.RecordShipmentMessage, shipment)
}

// rate returns orders per second until the last one has reached all of the steps.
func (b batch) rate(steps ...func(rig.Times) time.Time) float64 {
	var last time.Time
	for _, t := range b.times {
		for _, step := range steps {
			if at := step(t); at.After(last) {
				last = at
			}
		}
	}
	return float64(len(b.times)) / last.Sub(b.began).Seconds()
}

func confirmed(t rig.Times) time.Time { return t.Confirmed }
func emailed(t rig.Times) time.Time   { return value(t.Emailed) }
func shipped(t rig.Times) time.Time   { return value(t.Shipped) }
func notified(t rig.Times) time.Time  { return value(t.Notified) }

func value(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}
