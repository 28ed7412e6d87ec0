package reconcile

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"

	"golang.org/x/sync/errgroup"

	"orderflow/bridge"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/workflows"
)

const (
	batchSize = 500 // orders per query to PostgreSQL

	// Lookups bounds the concurrent requests to each store, for a comparison runs
	// alongside all other load.
	Lookups = 16
)

// reservation is an open reservation of an order that was not seen to be placed.
type reservation struct{ orderID, customerID string }

// idSet is a set of order ids that stores only their hashes, at some twenty bytes each. A
// collision could only hide that one of two ids is extra. The seed is private to the
// process, so no client can cause one. It is safe for concurrent use.
type idSet struct {
	seed   maphash.Seed
	mu     sync.Mutex
	hashes map[uint64]struct{}
}

func newIDSet() *idSet { return &idSet{seed: maphash.MakeSeed(), hashes: map[uint64]struct{}{}} }

// add adds the id and reports whether it is new.
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

// scanned holds the events read from the log that are not yet checked, in batches.
type scanned struct {
	orders     []workflows.Input
	reserved   []reservation
	unlinked   []unlinkedEvent
	deliveries []delivery
}

// checkOrders reads the log from its beginning, or from --since, and checks its events in
// batches. It keeps only a hash of each checked order.
func (r *reconciliation) checkOrders(ctx context.Context) error {
	var s scanned
	scan := kurrent.Scan{Types: []string{
		order.TypePlaced, order.TypePlacedAlias, order.TypePaid, order.TypeCancellationRequested,
		order.TypeShipmentRecorded, order.TypeCreditApproved, order.TypeCreditDeclined,
		credit.TypeReserved, credit.TypeReleased,
	}, Since: r.since, Progress: r.progress.advance}
	err := r.events.Scan(ctx, scan, func(e kurrent.Event) error {
		if r.progress.skips() {
			r.addKnown(e)
			return nil
		}
		if err := r.saveScanned(ctx, &s); err != nil {
			return err
		}
		r.collect(&s, e)
		return r.checkScanned(ctx, &s, batchSize)
	})
	if errors.Is(err, kurrent.ErrAccessDenied) {
		err = fmt.Errorf("the user of KURRENTDB_URL has no right to read $all: %w", err)
	}
	if err == nil {
		err = r.checkScanned(ctx, &s, 1)
	}
	if err == nil && r.progress.behind() {
		err = errNotReached
	}
	return err
}

// saveScanned saves the position of the last visited event, if it is time to. It first
// checks everything up to there.
func (r *reconciliation) saveScanned(ctx context.Context, s *scanned) error {
	if !r.progress.due() {
		return nil
	}
	if err := r.checkScanned(ctx, s, 1); err != nil {
		return err
	}
	return r.save(ctx, r.progress.part(), r.progress.from.Row)
}

// addKnown notes the order that an event places, which was checked before.
func (r *reconciliation) addKnown(e kurrent.Event) {
	if e.Type != order.TypePlaced && e.Type != order.TypePlacedAlias {
		return
	}
	if input, err := routes.Input(bridge.Event(e)); err == nil {
		r.known.add(input.OrderID)
	}
}

// collect adds an event of the log to the batch it belongs to.
func (r *reconciliation) collect(s *scanned, e kurrent.Event) {
	if one, unlinked := r.unlinked(e); unlinked {
		s.unlinked = append(s.unlinked, one)
	}
	switch e.Type {
	case credit.TypeReserved:
		s.reserved = r.addUnplaced(s.reserved, e)
	case credit.TypeReleased:
		s.deliveries = dropSettled(s.deliveries, e)
	case order.TypePaid, order.TypeCancellationRequested,
		order.TypeShipmentRecorded, order.TypeCreditApproved, order.TypeCreditDeclined:
		if one, ok := r.deliveryOf(e); ok {
			s.deliveries = append(s.deliveries, one)
		}
	default:
		if input, ok := r.orderToCheck(e); ok {
			s.orders = append(s.orders, input)
		}
	}
}

// checkScanned checks the batches that hold at least atLeast items. It checks orders
// before their cancellations, for a missing order has to be started first.
func (r *reconciliation) checkScanned(ctx context.Context, s *scanned, atLeast int) (err error) {
	if len(s.orders) >= atLeast || len(s.deliveries) >= atLeast {
		err, s.orders = r.checkBatch(ctx, s.orders), s.orders[:0]
	}
	if err == nil && len(s.reserved) >= atLeast {
		err, s.reserved = r.checkReservations(ctx, s.reserved), s.reserved[:0]
	}
	if err == nil && len(s.unlinked) >= atLeast {
		err, s.unlinked = r.checkUnlinked(ctx, s.unlinked), s.unlinked[:0]
	}
	if err == nil && len(s.deliveries) >= atLeast {
		err, s.deliveries = r.checkDeliveries(ctx, s.deliveries), s.deliveries[:0]
	}
	return err
}

// orderToCheck returns the order that an event places. Only the first decodable event of
// a stream counts, and the log keeps the events of a stream in order. It skips orders
// that the bridge may be about to start.
func (r *reconciliation) orderToCheck(e kurrent.Event) (workflows.Input, bool) {
	input, err := routes.Input(bridge.Event(e))
	if err != nil || !r.known.add(input.OrderID) {
		return workflows.Input{}, false
	}
	if e.Created.After(r.cutoff) {
		r.report.Young++
		return workflows.Input{}, false
	}
	r.report.Checked++
	if r.report.Checked%progressEvery == 0 {
		r.logger.Info("reconciling", "checked", r.report.Checked, "placed", e.Created)
	}
	return input, true
}

// addUnplaced adds a reservation whose order has not been seen in the log. An order is
// placed before its credit is reserved.
func (r *reconciliation) addUnplaced(all []reservation, e kurrent.Event) []reservation {
	event, err := credit.DecodeEvent(e.Type, e.Data)
	reserved, ok := event.(credit.Reserved)
	customerID, mine := credit.CustomerOf(e.Stream)
	if err != nil || !ok || !mine || r.known.has(reserved.OrderID) || e.Created.After(r.cutoff) {
		return all
	}
	return append(all, reservation{orderID: reserved.OrderID, customerID: customerID})
}

// checkBatch checks a batch of placed orders, and looks closer at those that fail the
// quick check.
func (r *reconciliation) checkBatch(ctx context.Context, batch []workflows.Input) error {
	rows, err := r.rowsOf(ctx, batch)
	if err != nil {
		return err
	}
	return checkEach(ctx, r, batch, func(ctx context.Context, input workflows.Input) error {
		fine, err := r.quickCheck(ctx, input, rows[input.OrderID])
		if err != nil || fine {
			return err
		}
		f, err := r.gatherFacts(ctx, input)
		if err != nil {
			return err
		}
		if kind, _ := judge(f); kind == consistent {
			return nil
		}
		return r.recheck(ctx, input)
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
	found, err := r.rows.FindFulfillments(ctx, ids)
	for _, row := range found {
		rows[row.OrderID] = row
	}
	return rows, err
}

// quickCheck reports whether an order is fine, for most orders by a single lookup. A
// shipped order needs nothing more. One that was compensated must hold no credit and have
// no workflow that ended differently. Any other must have an open workflow that makes
// progress.
func (r *reconciliation) quickCheck(ctx context.Context, input workflows.Input, row fulfillment.Row) (bool, error) {
	if lost, err := r.unreserved(ctx, input, row.Status); lost || err != nil {
		return false, err
	}
	switch {
	case len(dueEmails(row)) > 0:
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
		rowless := run.status == order.StatusFulfilling && row.Status == ""
		return run.state == workflowOpen && run.failures == 0 && !rowless && !run.status.Final(), err
	}
}

// recheck checks an order that seems to be a difference again, this time beginning at its
// stream, and reports it.
func (r *reconciliation) recheck(ctx context.Context, input workflows.Input) error {
	placed, err := r.orders.FindPlaced(ctx, input.OrderID)
	erased := isGone(err)
	if err != nil && !erased {
		return fmt.Errorf("recheck %s: %w", input.OrderID, err)
	}
	if !erased { // the order may have been placed before --since, by another event
		if input, err = routes.Input(bridge.Event(placed)); err != nil {
			return fmt.Errorf("recheck %s: %w", input.OrderID, err)
		}
	}
	f, err := r.gatherFacts(ctx, input)
	if err != nil {
		return err
	}
	f.Erased = erased
	what, remedy := judge(f)
	if what == consistent {
		return nil
	}
	d := r.report.add(input.OrderID, what, f)
	if what == missing {
		r.missing.add(input.OrderID)
	}
	return r.applyRemedy(ctx, d, remedy, input, placed)
}

// isGone reports whether an error means that a stream no longer holds an order: the
// stream was deleted, or its beginning was scavenged.
func isGone(err error) bool {
	_, invalid := errors.AsType[*order.InvalidError](err)
	return invalid || kurrent.IsGone(err)
}

// each runs work on all items of a batch, up to Lookups at a time.
func each[T any](ctx context.Context, r *reconciliation, batch []T, work func(context.Context, T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(Lookups)
	for _, item := range batch {
		group.Go(func() error {
			r.progress.beat()
			return work(ctx, item)
		})
	}
	return group.Wait()
}
