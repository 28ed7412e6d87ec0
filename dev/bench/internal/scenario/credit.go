package scenario

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"orderflow/activities"
	"orderflow/dev/bench/internal/load"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
	"orderflow/internal/backoff"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// creditWriters is the most callers that the scenario has for one account. A worker takes
// fewer requests at once with its default settings, so that some are refused.
const creditWriters = 32

func creditAccounts() Scenario {
	return Scenario{
		Name: "credit", Title: "Decisions of one credit account",
		About: "Requests to reserve credit for new orders of one customer, through the worker's own package in this process. An account takes " +
			"as many at once as in a worker of these settings; a refused one comes back after the worker's own backoff. The " +
			"ceiling is bare appends of one such event: by one writer at the exact revision, which is all that an account could do " +
			"with an append for each decision, or by as many writers, each on a stream of its own. Two workers have a connection, " +
			"a cache and half of the requests each. A long account has 100,000 orders, reserved and released.",
		Run: runCredit,
	}
}

func runCredit(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error) {
	workers, err := startCreditWorkers(servers, 2)
	defer closeAll(workers)
	if err != nil {
		return measure.Result{}, err
	}
	l := creditLoad{servers: servers, each: max(creditWriters, size.Pick(600, 4_000)), rounds: size.Rounds}
	hot, err := l.open(ctx, workers[0], 1)
	if err != nil {
		return measure.Result{}, err
	}
	var result measure.Result
	for _, c := range []struct {
		name    string
		workers []creditWorker
		writers int
		ceiling int // writers
		goal    measure.Goal
	}{
		{"1 request at a time", workers[:1], 1, 1, measure.AtLeast(0.4)},
		{"8 requests at a time", workers[:1], 8, 1, measure.AtLeast(1)},
		{"32 requests at a time", workers[:1], creditWriters, 1, measure.AtLeast(1)},
		{"32 requests at a time of two workers", workers, creditWriters, 1, measure.AtLeast(0.4)},
		{"32 requests at a time", workers[:1], creditWriters, creditWriters, measure.Goal{}},
	} {
		rounds, err := measure.Interleave(ctx, l.rounds,
			func(ctx context.Context, _ int) (float64, error) { return l.decide(ctx, c.workers, hot, c.writers) },
			func(ctx context.Context, _ int) (float64, error) { return l.append(ctx, c.ceiling) })
		if err != nil {
			return measure.Result{}, err
		}
		ceiling := fmt.Sprintf("appends by %d writers", c.ceiling)
		if c.ceiling == 1 {
			ceiling = "appends by 1 writer"
		}
		result.Ratios = append(result.Ratios, measure.NewRatio(c.name, "decisions/s", ceiling, c.goal, rounds))
	}
	err = l.long(ctx, workers, &result)
	return result, err
}

// creditWorker is what a worker process has of its own.
type creditWorker struct {
	*streams.CreditAccounts
	client *kurrent.Client
}

func startCreditWorkers(servers *rig.Rig, count int) (workers []creditWorker, err error) {
	for range count {
		w, err := startCreditWorker(servers)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

func startCreditWorker(servers *rig.Rig) (creditWorker, error) {
	settings, err := servers.WorkerSettings()
	if err != nil {
		return creditWorker{}, err
	}
	client, err := servers.OpenEvents()
	if err != nil {
		return creditWorker{}, err
	}
	accounts := streams.NewCreditAccounts(streams.CreditAccountsConfig{
		Client: client, CacheSize: settings.CachedAccounts, MaxRequests: settings.RequestsPerAccount(),
	})
	return creditWorker{CreditAccounts: accounts, client: client}, nil
}

func closeAll(workers []creditWorker) {
	for _, w := range workers {
		w.client.Close()
	}
}

// creditLoad reserves credit, and appends the same events without an account.
type creditLoad struct {
	servers *rig.Rig
	each    int // decisions in a round
	rounds  int
}

// open opens an account with more credit than all of its orders need, and reserves credit
// for the first orders.
func (l creditLoad) open(ctx context.Context, w creditWorker, orders int) (customer string, err error) {
	customer = "customer-" + uuid.NewString()
	if _, err := w.Open(ctx, customer, order.Money{Minor: 1 << 50, Currency: "USD"}); err != nil {
		return "", err
	}
	for _, o := range load.OrdersOf(customer, orders) {
		if err := reserve(ctx, w, o); err != nil {
			return "", err
		}
	}
	return customer, nil
}

// reserve reserves credit for an order. After a refusal by a busy account it tries again
// after the delay that the activity has.
func reserve(ctx context.Context, w creditWorker, o load.Order) error {
	request := credit.Request{
		CustomerID: o.Customer, OrderID: o.ID, Amount: reservation, Source: order.Source{EventID: uuid.NewString()},
	}
	for failures := 0; ; failures++ {
		decision, err := w.Reserve(ctx, request)
		switch {
		case errors.Is(err, credit.ErrBusy) && ctx.Err() == nil:
			if err := backoff.Sleep(ctx, activities.BusyDelay(failures)); err != nil {
				return err
			}
		case err == nil && decision.Verdict != credit.VerdictReserved:
			return fmt.Errorf("%s was %s", o.ID, decision.Verdict)
		default:
			return err
		}
	}
}

var reservation = order.Money{Minor: 100, Currency: "USD"}

// decide returns how many decisions about new orders of a customer are made per second,
// by so many writers in all.
func (l creditLoad) decide(ctx context.Context, workers []creditWorker, customer string, writers int) (float64, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, w := range workers {
		group.Go(func() error {
			return load.Each(ctx, writers/len(workers), load.OrdersOf(customer, l.each/len(workers)),
				func(ctx context.Context, o load.Order) error { return reserve(ctx, w, o) })
		})
	}
	err := group.Wait()
	rate := float64(l.each) / time.Since(began).Seconds()
	l.servers.Say("%d writers: %.0f decisions/s", writers, rate)
	return rate, err
}

// append returns how many bare appends are made per second by so many writers, each on a
// stream of its own.
func (l creditLoad) append(ctx context.Context, writers int) (float64, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for range writers {
		group.Go(func() error { return appendInTurn(ctx, l.servers.Events.Client, l.each/writers) })
	}
	err := group.Wait()
	rate := float64(l.each/writers*writers) / time.Since(began).Seconds()
	l.servers.Say("%d bare writers: %.0f appends/s", writers, rate)
	return rate, err
}

// appendInTurn appends events to one stream, each at the exact revision.
func appendInTurn(ctx context.Context, client *kurrent.Client, count int) error {
	stream, expected := "bare-"+uuid.NewString(), kurrent.NoStream()
	for range count {
		id := "order-" + uuid.NewString()
		event, err := reservedEvent(id)
		if err != nil {
			return err
		}
		event.Metadata = correlation.Trace{CorrelationID: id}.Metadata(uuid.NewString())
		last, err := client.Append(ctx, stream, expected, event)
		if err != nil {
			return err
		}
		expected = kurrent.At(last)
	}
	return nil
}

func reservedEvent(orderID string) (kurrent.NewEvent, error) {
	return newEvent(credit.Reserved{OrderID: orderID, Amount: reservation})
}

func newEvent(event credit.Event) (kurrent.NewEvent, error) {
	data, err := credit.EncodeEvent(event)
	return kurrent.NewEvent{ID: uuid.New(), Type: event.EventType(), Data: data}, err
}
