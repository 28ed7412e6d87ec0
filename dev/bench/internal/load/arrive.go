package load

import (
	"context"
	"math/rand/v2"
	"time"

	"golang.org/x/sync/errgroup"
)

// arriving is how many arrivals may be in flight. If all are, the next one is late, which
// counts as latency, because that is measured from the intended time.
const arriving = 256

// Arrival is an order that is placed at a time, however busy the product is then.
type Arrival struct {
	Order Order
	At    time.Duration // since the first
}

// Arrivals returns arrivals at so many a second on average, at random times as those of
// independent customers are (a Poisson process). They are the same for the same numbers.
func Arrivals(count int, rate float64) []Arrival {
	random := rand.New(rand.NewPCG(uint64(count), 1))
	arrivals := make([]Arrival, count)
	at := 0.0
	for i, o := range Orders(count) {
		arrivals[i] = Arrival{Order: o, At: time.Duration(at * float64(time.Second))}
		at += random.ExpFloat64() / rate
	}
	return arrivals
}

// Arrive places each order at its time. It returns when all are placed, or at the first
// error.
func Arrive(ctx context.Context, began time.Time, arrivals []Arrival, place func(context.Context, Order) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(arriving)
	for _, a := range arrivals {
		timer := time.NewTimer(time.Until(began.Add(a.At)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return group.Wait()
		}
		group.Go(func() error { return place(ctx, a.Order) })
	}
	return group.Wait()
}
