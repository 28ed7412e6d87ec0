package scenario

import (
	"context"
	"errors"
	"io"
	"math"
	"runtime"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// longOrders is how many orders a long account has, of which each is two events.
const longOrders = 100_000

// shortOrders is how many orders the account has that it is compared with.
const shortOrders = 10

// long measures an account with a long history: the first decision of a worker, which
// folds the stream, and decisions after that.
//
// The goal of the fold: it may cost as much again as reading the events. Then a snapshot,
// which has to be read and decoded too, would save little, once per account and worker.
func (l creditLoad) long(ctx context.Context, workers []creditWorker, result *measure.Result) error {
	long, err := l.open(ctx, workers[0], 0)
	if err != nil {
		return err
	}
	if err := l.fill(ctx, workers[0].client, long); err != nil {
		return err
	}
	short, err := l.open(ctx, workers[0], shortOrders)
	if err != nil {
		return err
	}
	events := float64(1 + 2*longOrders)
	folds, err := measure.Interleave(ctx, l.rounds,
		func(ctx context.Context, _ int) (float64, error) {
			took, err := l.fold(ctx, long)
			return events / took.Seconds(), err
		},
		func(ctx context.Context, _ int) (float64, error) {
			took, err := l.read(ctx, long)
			return events / took.Seconds(), err
		})
	if err != nil {
		return err
	}
	memory, err := memoryOf(ctx, workers[0], long)
	if err != nil {
		return err
	}
	warm, err := l.warm(ctx, workers[0], long, short)
	if err != nil {
		return err
	}
	fold := measure.NewRatio("cold fold of 200,001 events", "events/s", "reading them", measure.AtLeast(0.5), folds)
	perSecond, _ := fold.Sides()
	result.Ratios = append(result.Ratios, fold,
		measure.NewRatio("warm reservation after 100,000 orders", "ms", "one after 10 orders", measure.AtMost(1.5), warm))
	result.Figures = append(result.Figures,
		measure.Figure{Name: "cold fold of 200,001 events", Unit: "s", Value: events / perSecond},
		measure.Figure{Name: "memory of a folded account of 100,000 orders", Unit: "MiB", Value: memory, Goal: measure.AtMost(32)})
	return nil
}

// fill appends orders to an opened account, each reserved and released.
func (l creditLoad) fill(ctx context.Context, client *kurrent.Client, customer string) error {
	const batch = 500
	last := uint64(0)
	for range longOrders / batch {
		var events []kurrent.NewEvent
		for range batch {
			id := "order-" + uuid.NewString()
			for _, event := range []credit.Event{
				credit.Reserved{OrderID: id, Amount: reservation},
				credit.Released{OrderID: id, Amount: reservation, Reason: credit.ReasonPaid, Paid: reservation},
			} {
				e, err := newEvent(event)
				if err != nil {
					return err
				}
				events = append(events, e)
			}
		}
		var err error
		if last, err = client.Append(ctx, credit.Stream(customer), kurrent.At(last), events...); err != nil {
			return err
		}
	}
	l.servers.Say("a long account has %d events", last+1)
	return nil
}

// fold returns how long the first decision of a new worker takes.
func (l creditLoad) fold(ctx context.Context, customer string) (time.Duration, error) {
	w, err := startCreditWorker(l.servers)
	if err != nil {
		return 0, err
	}
	defer w.client.Close()
	if err := w.client.Ping(ctx); err != nil { // it connects
		return 0, err
	}
	began := time.Now()
	_, _, err = w.Decision(ctx, customer, "order-none")
	took := time.Since(began)
	l.servers.Say("cold fold: %s", took.Round(time.Millisecond))
	return took, err
}

// read returns how long the official client takes to read an account's stream, in one
// call.
func (l creditLoad) read(ctx context.Context, customer string) (time.Duration, error) {
	settings, err := kurrentdb.ParseConnectionString(l.servers.Getenv("KURRENTDB_URL"))
	if err != nil {
		return 0, err
	}
	settings.Logger = kurrentdb.NoopLogging()
	client, err := kurrentdb.NewClient(settings)
	if err != nil {
		return 0, err
	}
	defer func() { _ = client.Close() }()
	if _, err := client.GetServerVersion(); err != nil { // it connects
		return 0, err
	}
	began := time.Now()
	reading, err := client.ReadStream(ctx, credit.Stream(customer), kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, math.MaxInt64)
	if err != nil {
		return 0, err
	}
	defer reading.Close()
	for err == nil {
		_, err = reading.Recv()
	}
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	took := time.Since(began)
	l.servers.Say("bare read: %s", took.Round(time.Millisecond))
	return took, nil
}

// memoryOf folds an account and returns how many MiB it takes.
func memoryOf(ctx context.Context, w creditWorker, customer string) (float64, error) {
	before := heap()
	_, _, err := w.Decision(ctx, customer, "order-none")
	return float64(heap()-before) / (1 << 20), err
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what the first one found only finalizable
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int64(memory.HeapAlloc)
}

// warm returns the median times of a reservation for two customers, in ms. Reservations
// for both alternate, because each takes about as long as the machine's noise lasts.
func (l creditLoad) warm(ctx context.Context, w creditWorker, long, short string) ([]measure.Round, error) {
	rounds := make([]measure.Round, l.rounds)
	for i := range rounds {
		var took [2][]float64
		for n := range l.each / 2 {
			for j := range took {
				side := (n + j) % len(took)
				began := time.Now()
				if err := reserve(ctx, w, load.OrdersOf([]string{long, short}[side], 1)[0]); err != nil {
					return nil, err
				}
				took[side] = append(took[side], float64(time.Since(began).Microseconds())/1000)
			}
		}
		rounds[i] = measure.Round{Product: measure.Median(took[0]), Ceiling: measure.Median(took[1])}
		l.servers.Say("reservation: %.2f ms after many orders, %.2f ms after few", rounds[i].Product, rounds[i].Ceiling)
	}
	return rounds, nil
}
