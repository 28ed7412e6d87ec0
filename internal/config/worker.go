package config

import (
	"fmt"
	"slices"
	"strings"
)

// Worker bounds what one worker does at once. The orders' queue is that of the workflows
// and of every activity but the sending of emails, which has a queue of its own. A third
// queue is that of comparisons of the stores.
type Worker struct {
	Queues        Queues `env:"WORKER_QUEUES" envDefault:"order-fulfillment,order-email"` // task queues that it polls
	WorkflowSlots int    `env:"WORKER_WORKFLOW_SLOTS" envDefault:"16"`                    // workflow tasks, and polls for them
	ActivitySlots int    `env:"WORKER_ACTIVITY_SLOTS" envDefault:"32"`                    // activities of the orders' queue
	LocalSlots    int    `env:"WORKER_LOCAL_ACTIVITY_SLOTS" envDefault:"16"`              // activities within a workflow task
	EmailSlots    int    `env:"WORKER_EMAIL_SLOTS" envDefault:"16"`                       // emails being sent
	Partitions    int    `env:"WORKER_QUEUE_PARTITIONS" envDefault:"4"`                   // of each task queue on the server

	// The most polls that are open at once: for workflow tasks of the queue, and as many of
	// the sticky queue; for activities of each task queue.
	WorkflowPollers int `env:"WORKER_WORKFLOW_POLLERS" envDefault:"16"`
	ActivityPollers int `env:"WORKER_ACTIVITY_POLLERS" envDefault:"16"`

	CachedOrders   int `env:"WORKER_CACHED_ORDERS" envDefault:"500"`    // workflows kept in memory between their tasks
	CachedAccounts int `env:"WORKER_CACHED_ACCOUNTS" envDefault:"1024"` // credit accounts kept folded in memory
}

// The task queues that a worker may poll.
const (
	OrderQueue     = "order-fulfillment"
	EmailQueue     = "order-email"
	ReconcileQueue = "order-reconcile"
)

// Queues are task queues, at least one.
type Queues []string

// UnmarshalText accepts the names of task queues with commas between, each at most once.
// ReconcileQueue must be alone: its worker connects as users who may read what the others
// must not, and write nothing.
func (q *Queues) UnmarshalText(text []byte) error {
	if strings.TrimSpace(string(text)) == ReconcileQueue {
		*q = Queues{ReconcileQueue}
		return nil
	}
	var queues Queues
	for name := range strings.SplitSeq(string(text), ",") {
		name = strings.TrimSpace(name)
		if name != OrderQueue && name != EmailQueue || slices.Contains(queues, name) {
			return fmt.Errorf("must be %s, %s, both with a comma between, or %s alone", OrderQueue, EmailQueue, ReconcileQueue)
		}
		queues = append(queues, name)
	}
	*q = queues
	return nil
}

// maxSlots and maxCached keep a mistyped number from exhausting the memory or the stores.
const (
	maxSlots      = 10_000
	maxPartitions = 100
	maxCached     = 1_000_000
)

// reconcileLookups is how many orders one comparison looks up at once.
const reconcileLookups = 16

// spareConnections are for health checks and the counts of the global metrics.
const spareConnections = 4

// ServesOrders reports whether the worker polls the orders' queue.
func (w Worker) ServesOrders() bool { return slices.Contains(w.Queues, OrderQueue) }

// ServesEmails reports whether the worker polls the email queue.
func (w Worker) ServesEmails() bool { return slices.Contains(w.Queues, EmailQueue) }

// ServesReconcile reports whether the worker compares the stores, and does nothing else.
func (w Worker) ServesReconcile() bool { return slices.Contains(w.Queues, ReconcileQueue) }

// Connections returns the size of the worker's pool of connections to PostgreSQL. Each
// slot of an activity holds at most one connection at a time, so none waits for another's,
// and orders stuck at a lock never keep an email from its ledger.
func (w Worker) Connections() int32 {
	n := spareConnections
	if w.ServesOrders() {
		n += w.ActivitySlots + w.LocalSlots
	}
	if w.ServesEmails() {
		n += w.EmailSlots
	}
	if w.ServesReconcile() {
		n += reconcileLookups
	}
	return int32(n)
}

// RequestsPerAccount returns how many requests for one credit account the worker takes at
// once, local and regular attempts together. A slow account leaves the other half of the
// local slots to other accounts.
func (w Worker) RequestsPerAccount() int { return max(2, w.LocalSlots/2) }

// Unneeded returns the required variables of stores that no activity of the worker's
// queues uses: sending an email needs no event store, and the rest sends none.
func (w Worker) Unneeded() []string {
	switch {
	case !w.ServesOrders() && w.ServesEmails():
		return []string{"KURRENTDB_URL"}
	case len(w.Queues) > 0 && !w.ServesEmails():
		return []string{"EMAIL_FROM"}
	default:
		return nil
	}
}

// Validate reports numbers out of range. Every partition of a task queue needs a poll of
// its own, which occupies a slot while it waits.
func (w Worker) Validate() []Fault {
	var faults []Fault
	for _, n := range []struct {
		name            string
		value, min, max int
	}{
		{"WORKER_QUEUE_PARTITIONS", w.Partitions, 1, maxPartitions},
		{"WORKER_WORKFLOW_SLOTS", w.WorkflowSlots, 2 * w.Partitions, maxSlots},
		{"WORKER_ACTIVITY_SLOTS", w.ActivitySlots, w.Partitions, maxSlots},
		{"WORKER_LOCAL_ACTIVITY_SLOTS", w.LocalSlots, 1, maxSlots},
		{"WORKER_EMAIL_SLOTS", w.EmailSlots, w.Partitions, maxSlots},
		{"WORKER_WORKFLOW_POLLERS", w.WorkflowPollers, w.Partitions, maxSlots},
		{"WORKER_ACTIVITY_POLLERS", w.ActivityPollers, w.Partitions, maxSlots},
		{"WORKER_CACHED_ORDERS", w.CachedOrders, 1, maxCached},
		{"WORKER_CACHED_ACCOUNTS", w.CachedAccounts, 1, maxCached},
	} {
		if n.value < n.min || n.value > n.max {
			faults = append(faults, Fault{Name: n.name, Problem: rangeProblem(n.min, n.max, w.Partitions)})
		}
	}
	return faults
}

// rangeProblem describes a range, and where its lower end comes from if that depends on
// the number of partitions.
func rangeProblem(low, high, partitions int) string {
	problem := fmt.Sprintf("must be from %d to %d", low, high)
	switch low {
	case 1:
		return problem
	case partitions:
		return problem + ": WORKER_QUEUE_PARTITIONS is the minimum"
	default:
		return problem + ": twice WORKER_QUEUE_PARTITIONS is the minimum"
	}
}
