package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// defaultPace is the longest wait before a scenario's action.
const defaultPace = 5 * time.Second

// underWay bounds the orders whose scenario is not finished, where a window determines
// their number. A machine that cannot keep up with the rate gets fewer orders, instead of
// ever more waiting ones: they would measure its size and end in timeouts.
const underWay = 150

// counted is how long an order counts as in progress: one that takes longer waits for its
// repair, not for the machine.
const counted = time.Minute

// hotCreditPerOrder is the hot customer's credit per order, in minor units: most of the
// orders must fit it, and some must not.
const hotCreditPerOrder = 1_500_00

// Load is a running workload.
type Load struct {
	options Options
	maker   *maker
	sending sync.Mutex
	sender  *maker // of what Send sends; nil before
	outbox  *outbox
	forgot  atomic.Bool // Temporal was restored to an earlier moment
	mail    *mail
	api     *apiClient // nil if there is no api

	under   sync.WaitGroup     // order drivers
	slots   chan struct{}      // holds a token for each order driver that Place started
	quit    context.CancelFunc // stops reminding the provider
	mu      sync.Mutex
	drivers []*orderDriver
	err     error // of the first order driver that failed
}

// Hidden returns the orders of a workload that the projection is never to show, each as
// STREAM@REVISION. It needs no stores.
func Hidden(o Options) ([]string, error) {
	m := newMaker(o)
	var links []string
	for range o.most() {
		p, err := m.next()
		if err != nil {
			return nil, err
		}
		if p.scenario.hidden {
			links = append(links, p.id+"@0")
		}
	}
	return links, nil
}

// New returns a workload. It places nothing.
func New(o Options) *Load {
	if o.Pace <= 0 {
		o.Pace = defaultPace
	}
	w := &Load{
		options: o, maker: newMaker(o), slots: make(chan struct{}, cmp.Or(o.Orders, underWay)),
		outbox: newOutbox(), mail: &mail{url: o.Stores.SES, armed: map[string]int{}},
	}
	if len(o.APIs) > 0 {
		w.api = newAPIClient(o.APIs)
	}
	return w
}

// Place places orders until the window is over, or until the requested number, and starts
// the driver of each: at the rate, or as fast as orders complete if that is slower.
// Drivers run until they are done or ctx is done; placing also ends when window is done.
func (w *Load) Place(ctx context.Context, window context.Context) error {
	if err := w.openHot(ctx); err != nil {
		return err
	}
	reminding, quit := context.WithCancel(ctx)
	w.quit = quit
	go w.mail.keepRejecting(reminding)
	tick := time.NewTicker(time.Duration(float64(time.Second) / w.options.Rate))
	defer tick.Stop()
	for placed := 0; w.options.Orders == 0 || placed < w.options.Orders; placed++ {
		p, err := w.maker.next()
		if err != nil {
			return err
		}
		if !w.mayBegin(window) {
			return context.Cause(ctx)
		}
		leave := sync.OnceFunc(func() { <-w.slots })
		time.AfterFunc(counted, leave)
		w.begin(ctx, p, leave)
		select {
		case <-tick.C:
		case <-window.Done():
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// mayBegin waits until there is room for another order driver. It returns false if the
// window ends before.
func (w *Load) mayBegin(window context.Context) bool {
	select {
	case w.slots <- struct{}{}:
		return true
	case <-window.Done():
		return false
	}
}

// most returns the maximum number of orders of a workload.
func (o Options) most() int {
	if o.Orders > 0 {
		return o.Orders
	}
	return int(o.Window.Seconds()*o.Rate) + 2
}

// openHot opens the account of the hot customer with a limit that most of the orders fit.
func (w *Load) openHot(ctx context.Context) error {
	limit := float64(w.options.most()) * max(w.options.Hot, 0.01) * float64(cmp.Or(w.options.CreditPerOrder, hotCreditPerOrder))
	opened := credit.Opened{CustomerID: hotCustomer, Limit: order.Money{Minor: int64(limit), Currency: "USD"}}
	data, err := credit.EncodeEvent(opened)
	if err != nil {
		return fmt.Errorf("open the hot account: %w", err)
	}
	id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%s/%d", hotCustomer, w.options.Seed))
	l := &orderDriver{placement: placement{id: hotCustomer}, stores: w.options.Stores}
	return l.retryUntilDone(ctx, "open the hot account", func(ctx context.Context) (bool, error) {
		err := w.outbox.append(ctx, w.options.Stores.Events, credit.Stream(hotCustomer), kurrent.NoStream(),
			kurrent.NewEvent{ID: id, Type: opened.EventType(), Data: data})
		return answered(err), err
	})
}

// Placed returns the number of orders so far.
func (w *Load) Placed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.drivers)
}

// begin starts the driver of an order, and calls over when it is done.
func (w *Load) begin(ctx context.Context, p placement, over func()) {
	l := &orderDriver{placement: p, stores: w.options.Stores, outbox: w.outbox, forgot: &w.forgot, mail: w.mail, api: w.api, hold: w.options.Hold}
	w.mu.Lock()
	w.drivers = append(w.drivers, l)
	w.mu.Unlock()
	w.under.Go(func() {
		defer over()
		if err := w.live(ctx, l); err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.err = errors.Join(w.err, err)
		}
	})
}

// live places an order and runs its scenario.
func (w *Load) live(ctx context.Context, l *orderDriver) error {
	for _, fault := range l.faults {
		w.mail.arm(ctx, fault, l.address())
	}
	begin := l.scenario.begin
	if begin == nil {
		begin = place
	}
	if err := begin(ctx, l); err != nil || l.scenario.act == nil {
		return err
	}
	wait(ctx, l.pace(cmp.Or(l.within, w.options.Pace)))
	return l.scenario.act(ctx, l)
}
