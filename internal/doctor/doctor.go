// Package doctor compares the servers of a deployment with what Orderflow needs of them.
// It owns the list of checks, their verdicts and what an operator should do about each
// finding. It only reads: how is left to the drivers of the stores.
//
// A run has two halves. The stores are read concurrently, each within a deadline, into
// facts. Then each check, a function of the facts alone, returns one result. So a store
// that does not respond delays no other, and a check can be tested without servers.
package doctor

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/rights"
	"orderflow/internal/ses"
)

// Store is a server that is checked, or this machine.
type Store string

// The stores, in the order of a report.
const (
	KurrentDB Store = "kurrentdb"
	Postgres  Store = "postgres"
	Temporal  Store = "temporal"
	SES       Store = "ses"
	Machine   Store = "machine"
)

// Stores returns the stores that a run can be restricted to.
func Stores() []Store { return []Store{KurrentDB, Postgres, Temporal, SES} }

// Binaries returns the programs whose rights can be checked.
func Binaries() []string { return rights.Binaries() }

// Status is the outcome of a check.
type Status string

// The outcomes. A warning is something to know or to change at leisure; a problem stops
// or loses something, now or with the next outage.
const (
	OK         Status = "ok"
	Warning    Status = "warning"
	Problem    Status = "problem"
	NotChecked Status = "not checked" // a setting, a right or a newer server is missing for it
	Failed     Status = "failed"      // the store did not respond
)

// Result is the outcome of one check. It holds no credentials and no personal data.
type Result struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Found  string `json:"found"`
	Why    string `json:"why,omitempty"` // it matters
	Do     string `json:"do,omitempty"`  // a command or a setting
}

const (
	defaultTimeout = 10 * time.Second
	defaultSlotLag = 1 << 30
	// grace is how long after its deadline a store's driver may take to return.
	grace = 2 * time.Second
)

// Options are what is checked. A store without a driver is skipped.
type Options struct {
	KurrentDB   *kurrent.Inspector
	Group       kurrent.GroupSettings   // of orders
	OtherGroups []kurrent.GroupSettings // of the starter
	Postgres    *postgres.Inspector
	Slot        string // name, for the commands that are printed
	Temporal    client.Client
	Namespace   string

	TotalHidden bool // orders do not have the search attribute with their total

	SES     *ses.Inspector
	Skipped map[Store]string // why a store has no driver
	Worker  config.Worker    // its pool of connections follows from these settings

	As   string // one of Binaries; empty checks no rights
	User string // in KurrentDB, whose rights are checked; empty is the user that is connected

	Timeout time.Duration    // of each store; 0 is 10 s
	SlotLag int64            // bytes of log that the publisher may be behind; 0 is 1 GiB
	Now     func() time.Time // nil is time.Now
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	if o.SlotLag <= 0 {
		o.SlotLag = defaultSlotLag
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// facts are what was read. Only the checks of a store that was reached look at its part.
type facts struct {
	options   Options
	kurrentDB kurrentFacts
	postgres  postgres.Inspection
	temporal  temporalFacts
	ses       sesFacts
	clocks    map[Store]clock
	skipped   map[Store]string
	down      map[Store]error
}

// Run reads the stores and returns one result per check, in the order of Checks.
func Run(ctx context.Context, o Options) []Result {
	f := gather(ctx, o.withDefaults())
	var results []Result
	for _, c := range checks() {
		r := f.judge(c)
		r.Check = c.name
		results = append(results, r)
	}
	return results
}

// judge returns the result of a check, unless its store was skipped or not reached.
func (f *facts) judge(c check) Result {
	store, _, _ := strings.Cut(c.name, "/")
	reason, skipped := f.skipped[Store(store)]
	err := f.down[Store(store)]
	switch {
	case skipped:
		return notChecked("%s", reason)
	case err != nil && strings.HasSuffix(c.name, reachable):
		return unreachable(Store(store), err)
	case err != nil:
		return notChecked("%s was not reached", store)
	default:
		return c.judge(f)
	}
}

// gather reads all stores concurrently.
func gather(ctx context.Context, o Options) *facts {
	f := &facts{options: o, clocks: map[Store]clock{}, skipped: map[Store]string{}, down: map[Store]error{}}
	var mu sync.Mutex
	var reading sync.WaitGroup
	for store, driver := range map[Store]struct {
		absent bool
		read   func(context.Context) (keep func(), err error)
	}{
		KurrentDB: {o.KurrentDB == nil, f.readKurrentDB},
		Postgres:  {o.Postgres == nil, f.readPostgres},
		Temporal:  {o.Temporal == nil, f.readTemporal},
		SES:       {o.SES == nil, f.readSES},
	} {
		if driver.absent {
			f.skipped[store] = f.reason(store)
			continue
		}
		reading.Go(func() {
			keep, err := within(ctx, o.Timeout, driver.read)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				f.down[store] = err
				return
			}
			keep()
		})
	}
	reading.Wait()
	return f
}

func (f *facts) reason(store Store) string {
	if reason := f.options.Skipped[store]; reason != "" {
		return reason
	}
	return "no settings for " + string(store)
}

// within calls read, and returns shortly after the timeout also if read does not.
func within(ctx context.Context, timeout time.Duration, read func(context.Context) (func(), error)) (func(), error) {
	type outcome struct {
		keep func()
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	done := make(chan outcome, 1)
	go func() {
		keep, err := read(ctx)
		done <- outcome{keep, err}
	}()
	select {
	case o := <-done:
		return o.keep, o.err
	case <-time.After(timeout + grace):
		return nil, fmt.Errorf("no response within %s", timeout)
	}
}
