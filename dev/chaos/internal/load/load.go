package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// defaultPace is the longest a fate waits for its turn.
const defaultPace = 5 * time.Second

// underWay bounds the orders whose fate is not through, where a window says how many there are. A machine that cannot keep up
// with the rate gets fewer orders, and not ever more that wait: they would measure its size, and end in time-outs.
const underWay = 150

// counted is how long an order counts as under way: one that takes longer waits for its repair, not for the machine.
const counted = time.Minute

// hotRoom is the hot customer's limit by order, in minor units: most of the orders are to fit it, and some are not.
const hotRoom = 1_500_00

// Load is a workload under way.
type Load struct {
	options Options
	maker   *maker
	sender  *maker // of what Send sends; nil before
	mail    *mail
	front   *front // nil: there is no api

	under sync.WaitGroup     // lives
	room  chan struct{}      // holds a token for each life that Place began
	quit  context.CancelFunc // ends reminding the provider
	mu    sync.Mutex
	lives []*life
	err   error // the first life that failed
}

// Hidden lists the orders of a workload that the projection is never to show, each as STREAM@REVISION. It needs no stores.
func Hidden(o Options) ([]string, error) {
	m := newMaker(o)
	var links []string
	for range o.most() {
		p, err := m.next()
		if err != nil {
			return nil, err
		}
		if p.fate.hidden {
			links = append(links, p.id+"@0")
		}
	}
	return links, nil
}

// New makes a workload. Nothing of it is placed yet.
func New(o Options) *Load {
	if o.Pace <= 0 {
		o.Pace = defaultPace
	}
	w := &Load{
		options: o, maker: newMaker(o), room: make(chan struct{}, cmp.Or(o.Orders, underWay)),
		mail: &mail{url: o.Stores.SES, armed: map[string]int{}},
	}
	if len(o.APIs) > 0 {
		w.front = newFront(o.APIs)
	}
	return w
}

// Place places orders until the window is over, or there are as many as were asked for, and starts each one's life: at the
// rate, or as fast as orders come to their end where that is slower. Lives go on until they are through or ctx ends; placing
// ends with window as well.
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
		leave := sync.OnceFunc(func() { <-w.room })
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

// mayBegin waits until there is room for another life. It reports false if the window ends before.
func (w *Load) mayBegin(window context.Context) bool {
	select {
	case w.room <- struct{}{}:
		return true
	case <-window.Done():
		return false
	}
}

// most is how many orders a workload places at most.
func (o Options) most() int {
	if o.Orders > 0 {
		return o.Orders
	}
	return int(o.Window.Seconds()*o.Rate) + 2
}

// openHot opens the account of the hot customer with a limit that most of the orders fit.
func (w *Load) openHot(ctx context.Context) error {
	limit := float64(w.options.most()) * max(w.options.Hot, 0.01) * float64(cmp.Or(w.options.Room, hotRoom))
	opened := credit.Opened{CustomerID: hotCustomer, Limit: order.Money{Minor: int64(limit), Currency: "USD"}}
	data, err := credit.EncodeEvent(opened)
	if err != nil {
		return fmt.Errorf("open the hot account: %w", err)
	}
	id := uuid.NewSHA1(uuid.NameSpaceURL, fmt.Appendf(nil, "%s/%d", hotCustomer, w.options.Seed))
	l := &life{placement: placement{id: hotCustomer}, stores: w.options.Stores}
	return l.insist(ctx, "open the hot account", func(ctx context.Context) (bool, error) {
		_, err := w.options.Stores.Events.Append(ctx, "credit-"+hotCustomer, kurrent.NoStream(),
			kurrent.NewEvent{ID: id, Type: opened.EventType(), Data: data})
		return err == nil || !errors.Is(err, kurrent.ErrUnavailable), err
	})
}

// Placed counts the orders so far.
func (w *Load) Placed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.lives)
}

// begin starts an order's life, and calls over when it is through.
func (w *Load) begin(ctx context.Context, p placement, over func()) {
	l := &life{placement: p, stores: w.options.Stores, mail: w.mail, front: w.front, hold: w.options.Hold}
	w.mu.Lock()
	w.lives = append(w.lives, l)
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

// live places an order and does to it what its fate says.
func (w *Load) live(ctx context.Context, l *life) error {
	for _, fault := range l.faults {
		w.mail.arm(ctx, fault, l.address())
	}
	begin := l.fate.begin
	if begin == nil {
		begin = place
	}
	if err := begin(ctx, l); err != nil || l.fate.act == nil {
		return err
	}
	wait(ctx, l.pace(cmp.Or(l.within, w.options.Pace)))
	return l.fate.act(ctx, l)
}
