package main

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

const (
	batchSize = 500 // orders looked up in PostgreSQL at a time

	// lookups bounds the questions to Temporal and KurrentDB under way: a reconciliation runs beside everything else.
	lookups = 16
)

// reservation is an open reservation of an order that nobody was seen to place.
type reservation struct{ orderID, customerID string }

// idSet remembers order ids by their hash, in some twenty bytes each. Two ids of one hash could only hide that one of them
// is extra; the seed is this process's own, so nobody can bring that about.
type idSet struct {
	seed   maphash.Seed
	mu     sync.Mutex
	hashes map[uint64]struct{}
}

func newIDSet() *idSet { return &idSet{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}} }

// add tells whether the id is new.
func (s *idSet) add(id string) bool {
	hash := maphash.String(s.seed, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.hashes[hash]
	s.hashes[hash] = struct{}{}
	return !known
}

func (s *idSet) has(id string) bool {
	hash := maphash.String(s.seed, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, known := s.hashes[hash]
	return known
}

// scanned is what was met in the log and is not yet checked, in batches.
type scanned struct {
	orders     []workflows.Input
	reserved   []reservation
	leftOut    []unlinkedEvent
	deliveries []delivery
}

// checkOrders reads the log from its beginning, or from --since on, and checks what it meets, in batches: of an order that
// was checked only a hash is kept.
func (r *reconciliation) checkOrders(ctx context.Context) error {
	var s scanned
	scan := kurrent.Scan{Types: []string{
		order.TypePlaced, order.TypePlacedAlias, order.TypePaid, order.TypeCancellationRequested,
		credit.TypeReserved, credit.TypeReleased,
	}, Since: r.since}
	err := r.events.Scan(ctx, scan, func(e kurrent.Event) error {
		r.take(&s, e)
		return r.checkScanned(ctx, &s, batchSize)
	})
	if errors.Is(err, kurrent.ErrAccessDenied) {
		err = fmt.Errorf("the user of KURRENTDB_URL has no right to read $all: %w", err)
	}
	if err == nil {
		err = r.checkScanned(ctx, &s, 1)
	}
	return err
}

// take puts an event of the log to what is to be checked.
func (r *reconciliation) take(s *scanned, e kurrent.Event) {
	if one, unlinked := unlinkedIn(r.settings.Stream, e); unlinked {
		s.leftOut = append(s.leftOut, one)
	}
	switch e.Type {
	case credit.TypeReserved:
		s.reserved = r.notPlaced(s.reserved, e)
	case credit.TypeReleased:
		s.deliveries = withoutSettled(s.deliveries, e)
	case order.TypePaid, order.TypeCancellationRequested:
		if one, ok := r.deliveryOf(e); ok {
			s.deliveries = append(s.deliveries, one)
		}
	default:
		if input, ok := r.candidate(e); ok {
			s.orders = append(s.orders, input)
		}
	}
}

// checkScanned checks the batches that hold at least so many. Orders come before their cancellations: one that is missing
// has to be started first.
func (r *reconciliation) checkScanned(ctx context.Context, s *scanned, atLeast int) (err error) {
	if len(s.orders) >= atLeast || len(s.deliveries) >= atLeast {
		err, s.orders = r.checkBatch(ctx, s.orders), s.orders[:0]
	}
	if err == nil && len(s.reserved) >= atLeast {
		err, s.reserved = r.checkReservations(ctx, s.reserved), s.reserved[:0]
	}
	if err == nil && len(s.leftOut) >= atLeast {
		err, s.leftOut = r.checkUnlinked(ctx, s.leftOut), s.leftOut[:0]
	}
	if err == nil && len(s.deliveries) >= atLeast {
		err, s.deliveries = r.checkDeliveries(ctx, s.deliveries), s.deliveries[:0]
	}
	return err
}

// candidate gives the order that an event places: the first one of its stream that can be understood, for the log has the
// events of a stream in their order. Orders that the bridge may be about to start are left out.
func (r *reconciliation) candidate(e kurrent.Event) (workflows.Input, bool) {
	input, err := orderInput(e)
	if err != nil || !r.known.add(input.OrderID) {
		return workflows.Input{}, false
	}
	if e.Created.After(r.horizon) {
		r.report.Young++
		return workflows.Input{}, false
	}
	r.report.Checked++
	if r.report.Checked%progressEvery == 0 {
		r.logger.Info("reconciling", "checked", r.report.Checked, "placed", e.Created)
	}
	return input, true
}

// notPlaced keeps a reservation of an order that has not been seen. An order is placed before its credit is reserved.
func (r *reconciliation) notPlaced(all []reservation, e kurrent.Event) []reservation {
	event, err := credit.DecodeEvent(e.Type, e.Data)
	reserved, ok := event.(credit.Reserved)
	customerID, mine := kurrent.CustomerOf(e.Stream)
	if err != nil || !ok || !mine || r.known.has(reserved.OrderID) || e.Created.After(r.horizon) {
		return all
	}
	return append(all, reservation{orderID: reserved.OrderID, customerID: customerID})
}

// checkBatch finds those of a batch of placed orders that are worth a closer look.
func (r *reconciliation) checkBatch(ctx context.Context, batch []workflows.Input) error {
	rows, err := r.rowsOf(ctx, batch)
	if err != nil {
		return err
	}
	return checkEach(ctx, r, batch, func(ctx context.Context, input workflows.Input) error {
		fine, err := r.looksFine(ctx, input, rows[input.OrderID])
		if err != nil || fine {
			return err
		}
		f, err := r.look(ctx, input)
		if err != nil {
			return err
		}
		if kind, _ := judge(f); kind == consistent {
			return nil
		}
		return r.confirm(ctx, input)
	})
}

func (r *reconciliation) rowsOf(ctx context.Context, batch []workflows.Input) (map[string]fulfillment.Row, error) {
	rows := make(map[string]fulfillment.Row, len(batch))
	if len(batch) == 0 {
		return rows, nil
	}
	ids := make([]string, len(batch))
	for i, input := range batch {
		ids[i] = input.OrderID
	}
	found, err := r.rows.Fulfillments(ctx, ids)
	for _, row := range found {
		rows[row.OrderID] = row
	}
	return rows, err
}

// looksFine settles most orders with one question: what has shipped needs nothing, what was undone must hold no credit and
// have no workflow that ended otherwise, and all else must have an open workflow that proceeds.
func (r *reconciliation) looksFine(ctx context.Context, input workflows.Input, row fulfillment.Row) (bool, error) {
	switch {
	case len(due(row)) > 0:
		return false, nil
	case row.Status == order.StatusShipped:
		return true, nil
	case row.Status.Final():
		credit, err := r.credit(ctx, input.CustomerID, input.OrderID)
		if err != nil || credit.open() {
			return false, err
		}
		run, err := r.describe(ctx, input.OrderID)
		return !run.state.ended() || run.status == row.Status, err
	default:
		run, err := r.describe(ctx, input.OrderID)
		rowless := run.fulfilling && row.Status == ""
		return run.state == workflowOpen && run.failures == 0 && !rowless, err
	}
}

// confirm looks again at an order that seems to be a difference, this time beginning at its stream, and notes it.
func (r *reconciliation) confirm(ctx context.Context, input workflows.Input) error {
	placed, err := r.events.FindPlaced(ctx, input.OrderID)
	erased := gone(err)
	if err != nil && !erased {
		return fmt.Errorf("confirm %s: %w", input.OrderID, err)
	}
	if !erased { // the order may have been placed before --since, by another event
		if input, err = orderInput(placed); err != nil {
			return fmt.Errorf("confirm %s: %w", input.OrderID, err)
		}
	}
	f, err := r.look(ctx, input)
	if err != nil {
		return err
	}
	f.Erased = erased
	what, remedy := judge(f)
	if what == consistent {
		return nil
	}
	d := r.report.note(input.OrderID, what, f)
	if what == missing {
		r.missing.add(input.OrderID)
	}
	return r.mend(ctx, d, remedy, input, placed)
}

// gone reports that a stream holds no order any more: it was deleted, or its beginning was scavenged.
func gone(err error) bool {
	_, invalid := errors.AsType[*order.InvalidError](err)
	return invalid || errors.Is(err, kurrent.ErrDeleted) || errors.Is(err, kurrent.ErrNotFound)
}

// each runs work on all of a batch, some at a time.
func each[T any](ctx context.Context, batch []T, work func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookups)
	for _, item := range batch {
		group.Go(func() error { return work(ctx, item) })
	}
	return group.Wait()
}
