package streams_test

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

// With 32 concurrent clients there are more possible orders of a history than can be
// tried. The event store records when each change was made, so every operation can be
// narrowed to a shorter time than its caller saw: the one that made a change to that
// moment, and the others to the period in which the account would have given that output.
// If the history can be ordered within those times, it can be within the longer ones. An
// operation whose time would become empty is left unchanged.

// change is an event as the model sees it.
type change struct {
	at      int64 // when it was made, in nanoseconds
	in      input
	verdict string // the order's verdict from then on, and the output of the operation that made it
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
			c.in, c.verdict = input{op: opLimit, limit: e.Limit.Minor}, done
		case credit.Reserved:
			c.in, c.verdict = input{op: opReserve, order: numberOf(e.OrderID)}, "r"
			if e.ApprovedBy != "" {
				c.in.op = opApprove
			}
		case credit.LimitExceeded:
			c.in, c.verdict = input{op: opReserve, order: numberOf(e.OrderID)}, "h"
		case credit.Released:
			c.in, c.verdict = input{op: opRelease, order: numberOf(e.OrderID)}, "c"
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

// narrow returns the history with each operation narrowed to the time in which it must
// have happened. An operation of unknown outcome that changed nothing is left out: it
// carries no information.
func narrow(t *testing.T, history []porcupine.Operation, all []change) (narrowed []porcupine.Operation) {
	t.Helper()
	const tick = int64(time.Microsecond) // the store's clock is coarser than this process's
	unmatched := map[input][]porcupine.Operation{}
	for _, o := range history {
		unmatched[o.Input.(input)] = append(unmatched[o.Input.(input)], o)
	}
	for _, c := range all {
		maker := -1
		for i, o := range unmatched[c.in] {
			out := o.Output.(output)
			in := o.Call-tick <= c.at && c.at <= o.Return+min(tick, math.MaxInt64-o.Return)
			if in && (out.unknown || out.verdict == c.verdict) && (maker < 0 || o.Return < unmatched[c.in][maker].Return) {
				maker = i
			}
		}
		require.GreaterOrEqual(t, maker, 0, "no operation made %+v", c)
		o := unmatched[c.in][maker]
		unmatched[c.in] = slices.Delete(unmatched[c.in], maker, maker+1)
		o.Call, o.Return = c.at, c.at
		narrowed = append(narrowed, o)
	}
	for in, operations := range unmatched {
		for _, o := range operations {
			if out := o.Output.(output); !out.unknown {
				from, to := verdictPeriod(all, in, out.verdict)
				narrowed = append(narrowed, clampTo(o, from, to))
			}
		}
	}
	slices.SortFunc(narrowed, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	return narrowed
}

// verdictPeriod returns the period in which an order had a verdict.
func verdictPeriod(all []change, in input, verdict string) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	if in.op == opLimit {
		return from, to
	}
	now := notHeld
	for _, c := range all {
		if c.in.op == opLimit || c.in.order != in.order {
			continue
		}
		if now == verdict {
			return from, c.at
		}
		now, from = c.verdict, c.at
	}
	return from, to
}

func clampTo(o porcupine.Operation, from, to int64) porcupine.Operation {
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
