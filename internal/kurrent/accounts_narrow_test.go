package kurrent_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// With 32 clients at once there are more orders that a history could have happened in than can be tried. The event store
// says when each change was made, so every operation can be held to a narrower time than its caller saw: the one that
// made a change to that moment, and the others to when the account would have answered so. If the history can be put in
// order within those times, then so it can within the longer ones. Where a time would be none, it is left as it was.

// change is an event as this test understands it.
type change struct {
	at  int64 // when it was made, in nanoseconds
	ask asking
	to  string // the order's verdict from then on, and the answer to who made it
}

// changes reads what was stored, whether the rules allow it or not.
func changes(t *testing.T, client *kurrent.Client) (all []change) {
	t.Helper()
	last := int64(0)
	err := client.ReadStream(t.Context(), "credit-"+hotCustomer, 0, 0, func(e kurrent.Event) error {
		event, err := credit.DecodeEvent(e.Type, e.Data)
		last = max(e.Created.UnixNano(), last+4) // events of one tick stay apart
		c := change{at: last}
		switch e := event.(type) {
		case credit.LimitChanged:
			c.ask, c.to = asking{op: opLimit, limit: e.Limit.Minor}, done
		case credit.Reserved:
			c.ask, c.to = asking{op: opReserve, order: numberOf(e.OrderID)}, "r"
			if e.ApprovedBy != "" {
				c.ask.op = opApprove
			}
		case credit.LimitExceeded:
			c.ask, c.to = asking{op: opReserve, order: numberOf(e.OrderID)}, "h"
		case credit.Released:
			c.ask, c.to = asking{op: opRelease, order: numberOf(e.OrderID)}, "c"
		default:
			return err // the account is opened in one append with the first reservation
		}
		all = append(all, c)
		return err
	})
	require.NoError(t, err)
	return all
}

func numberOf(orderID string) (n int) {
	_, _ = fmt.Sscanf(orderID, "order-%d", &n)
	return n
}

// narrow gives the history with each operation held to the time in which it must have been done. An operation of unknown
// outcome that changed nothing is left out: it says nothing.
func narrow(t *testing.T, history []porcupine.Operation, all []change) (narrowed []porcupine.Operation) {
	t.Helper()
	const tick = int64(time.Microsecond) // the store's clock is coarser than ours
	rest := map[asking][]porcupine.Operation{}
	for _, o := range history {
		rest[o.Input.(asking)] = append(rest[o.Input.(asking)], o)
	}
	for _, c := range all {
		maker := -1
		for i, o := range rest[c.ask] {
			out := o.Output.(answered)
			in := o.Call-tick <= c.at && c.at <= o.Return+min(tick, math.MaxInt64-o.Return)
			if in && (out.unknown || out.verdict == c.to) && (maker < 0 || o.Return < rest[c.ask][maker].Return) {
				maker = i
			}
		}
		require.GreaterOrEqual(t, maker, 0, "nobody asked for %+v", c)
		o := rest[c.ask][maker]
		rest[c.ask] = slices.Delete(rest[c.ask], maker, maker+1)
		o.Call, o.Return = c.at, c.at
		narrowed = append(narrowed, o)
	}
	for in, operations := range rest {
		for _, o := range operations {
			if out := o.Output.(answered); !out.unknown {
				from, to := answeredSo(all, in, out.verdict)
				narrowed = append(narrowed, heldTo(o, from, to))
			}
		}
	}
	slices.SortFunc(narrowed, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return narrowed
}

// answeredSo is the time in which an order had a verdict.
func answeredSo(all []change, in asking, verdict string) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if in.op == opLimit {
		return from, to
	}
	now := notHeld
	for _, c := range all {
		if c.ask.op == opLimit || c.ask.order != in.order {
			continue
		}
		if now == verdict {
			return from, c.at
		}
		now, from = c.to, c.at
	}
	return from, to
}

func heldTo(o porcupine.Operation, from, to int64) porcupine.Operation {
	call, end := o.Call, o.Return
	if from > call {
		call = from + 1
	}
	if to < end {
		end = to - 1
	}
	if call <= end {
		o.Call, o.Return = call, end
	}
	return o
}
