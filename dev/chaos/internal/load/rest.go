package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

const (
	lookEvery     = 500 * time.Millisecond
	progressEvery = 10 * time.Second

	// stillFor is how long the number of unknown emails must stay unchanged: an email
	// that is to be sent again waits for a grace time, and is neither pending nor settled
	// during that time.
	stillFor = 4 * time.Second

	// lastLook bounds the final query of what did not settle in time.
	lastLook = 30 * time.Second

	lookAtOnce = 6
	showMost   = 20 // of the orders that did not settle
)

// Violation is something that must never happen, found by the workload: it knows the
// responses it received, the stores do not.
type Violation struct {
	Invariant string `json:"invariant"`
	Order     string `json:"order"`
	Detail    string `json:"detail"`
}

// Rest is the result of the workload.
type Rest struct {
	Orders     map[string]int // by scenario
	Statuses   map[string]int // by final status, or "none" for orders that never started
	MailFaults map[string]int // by fault
	HTTP       map[string]int // requests by method, path and status; 0 for those without a response
	Unknown    int64          // emails of unknown outcome
	Violations []Violation
}

// resting is the state of everything at one look.
type resting struct {
	rows    map[string]order.Status // of orders that are known to PostgreSQL
	parked  map[string]int          // events by stream
	moving  []string                // what is not settled, as texts
	unknown int64
}

// Through waits until every order driver is done, or ctx is done. The provider's
// temporary faults are cleared by then.
func (w *Load) Through(ctx context.Context) {
	if err := w.mail.clear(ctx); err != nil {
		w.options.Say("clearing the provider's faults failed: %s", err)
	}
	through := make(chan struct{})
	go func() {
		defer close(through)
		w.under.Wait()
	}()
	tell := time.NewTicker(progressEvery)
	defer tell.Stop()
	for {
		select {
		case <-through:
			return
		case <-tell.C:
			w.options.Say("not finished: %s", summary(w.busy()))
		case <-ctx.Done():
			return
		}
	}
}

// busy lists what order drivers are doing that cannot continue.
func (w *Load) busy() []string {
	var all []string
	for _, l := range w.all() {
		l.mu.Lock()
		if l.doing != "" {
			all = append(all, fmt.Sprintf("%s (%s): %s", l.id, l.scenario.name, l.doing))
		}
		l.mu.Unlock()
	}
	return all
}

// Settle waits until everything caused by finished order drivers has settled, or ctx is
// done. Whatever has not is a violation each, and so is a response that did not remain
// true.
func (w *Load) Settle(ctx context.Context) Rest {
	seen := w.await(ctx)
	w.quit()
	rest := w.report(seen)
	if err := w.verify(ctx); err != nil {
		rest.Violations = append(rest.Violations, Violation{Invariant: "api.accepted-once", Detail: err.Error()})
	}
	for _, l := range w.all() {
		rest.Violations = append(rest.Violations, l.found()...)
	}
	if w.api != nil {
		rest.HTTP = w.api.counted()
	}
	return rest
}

// await polls until nothing moves.
func (w *Load) await(ctx context.Context) resting {
	look, tell := time.NewTicker(lookEvery), time.NewTicker(progressEvery)
	defer look.Stop()
	defer tell.Stop()
	known := resting{rows: map[string]order.Status{}}
	still := time.Now()
	for {
		unknown := known.unknown
		w.look(ctx, &known)
		if known.unknown != unknown || len(known.moving) > 0 {
			still = time.Now()
		}
		if time.Since(still) > stillFor {
			return known
		}
		select {
		case <-look.C:
		case <-tell.C:
			w.options.Say("not settled: %s", summary(known.moving))
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLook)
			defer cancel()
			w.look(last, &known) // the previous one may have been cut short, or order drivers may have used up the time
			return known
		}
	}
}

// summary returns the first few of a list.
func summary(moving []string) string {
	if len(moving) > 3 {
		return fmt.Sprintf("%s and %d more", strings.Join(moving[:3], ", "), len(moving)-3)
	}
	return strings.Join(moving, ", ")
}

// look queries every store for what is in progress. A store that does not respond counts
// as in progress.
func (w *Load) look(ctx context.Context, known *resting) {
	known.moving = nil
	err := errors.Join(w.lookAtGroup(ctx, known), w.lookAtRows(ctx, known), w.lookAtMails(ctx, known), w.lookAtEvents(ctx, known), w.lookAtWorkflows(ctx, known), w.lookBehind(ctx, known))
	if err != nil {
		known.moving = append(known.moving, err.Error())
	}
}

func (w *Load) lookBehind(ctx context.Context, known *resting) error {
	if w.options.Behind == nil {
		return nil
	}
	behind, err := w.options.Behind(ctx)
	known.moving = append(known.moving, behind...)
	return err
}

func (w *Load) lookAtGroup(ctx context.Context, known *resting) error {
	for _, links := range []string{stream, order.CreditDecisionLinks, credit.Links} {
		info, err := w.options.Stores.Events.GroupInfo(ctx, links, group)
		if err != nil {
			return err
		}
		if info.Lag > 0 || info.InFlight > 0 {
			known.moving = append(known.moving, fmt.Sprintf("%d events of %s are not taken and %d in flight", info.Lag, links, info.InFlight))
		}
	}
	known.parked = map[string]int{}
	return w.options.Stores.Events.Parked(ctx, stream, group, func(p kurrent.Parked) error {
		known.parked[p.Stream]++
		return nil
	})
}

// lookAtRows queries the orders that were not closed at the last look.
func (w *Load) lookAtRows(ctx context.Context, known *resting) error {
	var group errgroup.Group
	group.SetLimit(lookAtOnce)
	var mu sync.Mutex
	for _, l := range w.unclosed(known) {
		group.Go(func() error {
			row, err := w.options.Stores.Rows.FindFulfillment(ctx, l.id)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				known.rows[l.id] = row.Status
			case !errors.Is(err, postgres.ErrNotFound):
				return err
			}
			if !l.settled(known) {
				known.moving = append(known.moving, fmt.Sprintf("%s (%s) is %q", l.id, l.scenario.name, known.rows[l.id]))
			}
			return nil
		})
	}
	return group.Wait()
}

func (w *Load) unclosed(known *resting) []*orderDriver {
	return slices.DeleteFunc(w.all(), func(l *orderDriver) bool { return known.rows[l.id].Final() })
}

// settled reports whether an order is where the workload leaves it.
func (l *orderDriver) settled(known *resting) bool {
	switch status := known.rows[l.id]; {
	case status.Final():
		return true
	case status == "":
		return l.scenario.never && known.parked[l.id] > 0 || l.scenario.lost || l.scenario.severed
	default:
		return l.scenario.open
	}
}

func (w *Load) lookAtMails(ctx context.Context, known *resting) error {
	pending, unknown, err := w.options.Stores.Emails.CountUnsettledEmails(ctx)
	if err != nil {
		return err
	}
	known.unknown = unknown
	if pending > 0 {
		known.moving = append(known.moving, fmt.Sprintf("%d mails are pending", pending))
	}
	return nil
}

// lookAtWorkflows finds workflows that are open although they have nothing left to wait
// for.
func (w *Load) lookAtWorkflows(ctx context.Context, known *resting) error {
	var open int64
	for _, status := range known.rows {
		if status == order.StatusFulfilling {
			open++
		}
	}
	return errors.Join(
		w.lookAtType(ctx, known, workflows.OrderFulfillmentType, open),
		w.lookAtType(ctx, known, workflows.OrderSettlementType, 0),
		w.lookAtType(ctx, known, workflows.CreditReviewType, 0),
		w.lookAtType(ctx, known, workflows.OrderEmailType, 0),
	)
}

func (w *Load) lookAtType(ctx context.Context, known *resting, name string, want int64) error {
	answer, err := w.options.Stores.Temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: fmt.Sprintf(`WorkflowType = %q AND ExecutionStatus = "Running"`, name),
	})
	if err != nil {
		return err
	}
	if answer.GetCount() != want {
		known.moving = append(known.moving, fmt.Sprintf("%d of %s are open, not %d", answer.GetCount(), name, want))
	}
	return nil
}

func (w *Load) all() []*orderDriver {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.drivers)
}

func (w *Load) report(seen resting) Rest {
	rest := Rest{Orders: map[string]int{}, Statuses: map[string]int{}, MailFaults: map[string]int{}, Unknown: seen.unknown}
	for _, what := range seen.moving[:min(showMost, len(seen.moving))] {
		rest.Violations = append(rest.Violations, Violation{Invariant: "comes-to-rest", Detail: what})
	}
	for _, what := range w.busy() {
		rest.Violations = append(rest.Violations, Violation{Invariant: "accepts-messages", Detail: what})
	}
	for _, l := range w.all() {
		rest.Orders[l.scenario.name]++
		status := seen.rows[l.id]
		if status == "" {
			status = "none"
		}
		rest.Statuses[string(status)]++
		rest.Violations = append(rest.Violations, l.broken(status)...)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		rest.Violations = append(rest.Violations, Violation{Invariant: "accepts-messages", Detail: w.err.Error()})
	}
	w.mail.mu.Lock()
	defer w.mail.mu.Unlock()
	for fault, n := range w.mail.armed {
		rest.MailFaults[fault] = n
	}
	if n := len(w.mail.rejected); n > 0 {
		rest.MailFaults["rejected"] = n
	}
	return rest
}

// broken returns the responses to the order's updates that are not true.
func (l *orderDriver) broken(status order.Status) []Violation {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Violation
	for _, a := range l.answered {
		if a.status.Final() && a.status != status {
			found = append(found, Violation{
				Invariant: "answers-stay-true", Order: l.id, Detail: fmt.Sprintf("%s was answered %s, and the order is %s", a.update, a.status, status),
			})
		}
	}
	for _, detail := range l.ledger.untrue(status) {
		found = append(found, Violation{Invariant: "api.answers-stay-true", Order: l.id, Detail: detail})
	}
	if l.scenario.never && status != "none" {
		found = append(found, Violation{Invariant: "bad-input-starts-nothing", Order: l.id, Detail: "the order is " + string(status)})
	}
	return found
}
