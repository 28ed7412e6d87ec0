package groups

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// tick is how often timeouts and the time of checkpoints are checked, as on a real
// server.
const tick = time.Second

// group runs one persistent subscription. Only its goroutine accesses the fields below;
// other goroutines send it commands.
type group struct {
	key    Key
	config Config
	events *store.Store
	logger *slog.Logger
	now    func() time.Time

	commands chan func()
	cancel   context.CancelFunc
	done     chan struct{}
	writes   sync.WaitGroup

	engine        *subscription.Engine
	source        *source
	ahead         ahead
	conns         map[*Connection]struct{}
	moved         bool // there may be messages to deliver now; otherwise delivery waits for the tick
	parked        parkedCount
	parking       bool // a write to the parked stream is in progress
	checkpointing bool // a write of the checkpoint is in progress
	replay        *replay
	started       time.Time
}

// startGroup loads the checkpoint and runs the group until stop.
func startGroup(m *Manager, key Key, config Config) (*group, error) {
	checkpoint, err := loadCheckpoint(m.events, key)
	if err != nil {
		return nil, err
	}
	src, err := newSource(m.events, key, config, checkpoint)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &group{
		key: key, config: config, events: m.events, logger: m.logger.With("group", key.String()), now: m.now,
		commands: make(chan func()), cancel: cancel, done: make(chan struct{}),
		engine: subscription.New(config.Settings, checkpoint), source: src,
		ahead: newAhead(m.events, key, config, checkpoint), parked: countParked(m.events, key),
		conns: map[*Connection]struct{}{}, started: m.now(),
	}
	go g.run(ctx)
	return g, nil
}

// stop drops the consumers with cause and returns when every goroutine of the group has
// ended.
func (g *group) stop(cause error) {
	_ = g.do(func() {
		for c := range g.conns {
			c.drop(cause)
		}
	})
	g.cancel()
	<-g.done
	g.writes.Wait()
}

// do runs a command in the group's goroutine, waits for it, and then offers waiting
// messages to consumers.
func (g *group) do(command func()) error {
	return g.ask(func() {
		command()
		g.moved = true
	})
}

// ask runs a command in the group's goroutine and waits for it. It does not deliver
// waiting messages.
func (g *group) ask(command func()) error {
	finished := make(chan struct{})
	select {
	case g.commands <- func() { command(); close(finished) }:
		<-finished
		return nil
	case <-g.done:
		return ErrDropped
	}
}

func (g *group) run(ctx context.Context) {
	defer close(g.done)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	ready := make(chan struct{}) // makes the select continue at once
	close(ready)
	// Kept until it fires: if it were taken again on each iteration, a wake-up that
	// coincides with another case would be lost.
	changed := g.events.Changed()
	for {
		g.step()
		more := changed
		if g.ahead.more && g.room() > 0 {
			more = ready
		}
		select {
		case <-ctx.Done():
			return
		case command := <-g.commands:
			command()
			g.drain()
		case <-ticker.C:
			g.engine.Tick(g.now())
			g.moved = true
			g.checkpoint(true)
		case <-more:
			changed = g.events.Changed()
			g.ahead.more = true
		}
	}
}

// drain runs the commands that are already queued, so that a burst of acknowledgements
// costs one step.
func (g *group) drain() {
	for range 64 {
		select {
		case command := <-g.commands:
			command()
		default:
			return
		}
	}
}

// step advances everything as far as possible.
func (g *group) step() {
	g.feed()
	g.feedReplay()
	if g.moved {
		g.moved = false
		g.engine.Pump(g.now())
	}
	g.park()
	g.checkpoint(false)
}
