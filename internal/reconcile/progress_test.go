package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

// lookups notes the orders whose rows are looked up.
type lookups struct {
	Rows
	mu  sync.Mutex
	ids []string
}

func (l *lookups) FindFulfillments(ctx context.Context, ids []string) ([]fulfillment.Row, error) {
	l.mu.Lock()
	l.ids = append(l.ids, ids...)
	l.mu.Unlock()
	return l.Rows.FindFulfillments(ctx, ids)
}

// resumable returns the options of a comparison that saves its progress as often as it can.
func (h *reconcileRig) resumable(rows Rows) Options {
	return Options{
		Temporal: h.temporal, Events: h.Events, Rows: rows, Logger: slog.New(slog.DiscardHandler),
		Stream: startertest.Stream, Group: startertest.Group, Cutoff: time.Now().Add(time.Hour), HeartbeatEvery: time.Nanosecond,
	}
}

// placeSome places orders that nothing starts, and writes rows of orders that were never
// placed. It returns the orders in the sequence in which they were placed.
func (h *reconcileRig) placeSome(orders, rows int) (placed []string) {
	h.t.Helper()
	for range orders {
		placed = append(placed, h.place(startertest.NewOrderID()))
	}
	for range rows {
		h.writeRow(startertest.NewOrderID())
	}
	return placed
}

func TestRun_Resume(t *testing.T) {
	t.Parallel()
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	placed := h.placeSome(9, 2)
	want, err := Run(t.Context(), h.resumable(h.rows))
	require.NoError(t, err)
	requireFindings(t, "checked 9  missing 9  extra 2  held 0  parked 0  fixed 0  left 11", want)

	t.Run("continues at the position that was saved last, whatever ends an attempt", func(t *testing.T) {
		t.Parallel()
		var resume *Progress
		parts := map[part]bool{}
		var findings *Findings
		attempts := 0
		for findings == nil {
			attempts++
			require.Less(t, attempts, 50, "every attempt proceeds")
			looked := &lookups{Rows: h.rows}
			ctx, end := context.WithCancel(t.Context())
			o := h.resumable(looked)
			o.Resume = resume
			saved, steps := resume, 0
			o.Heartbeat = func(p Progress) {
				if saved != nil && (p.Part == saved.Part && p.Counts.Checked == saved.Counts.Checked && p.Row == saved.Row) {
					return
				}
				if steps++; steps <= 3 {
					saved = reloaded(t, p)
				}
				if steps == 3 {
					end()
				}
			}
			found, err := Run(ctx, o)
			end()
			if resume != nil {
				parts[resume.Part] = true
				for _, id := range placed[:resume.Counts.Checked] {
					require.False(t, slices.Contains(looked.ids, id), "attempt %d checks an order again", attempts)
				}
			}
			if err != nil {
				require.ErrorIs(t, err, context.Canceled)
				resume = saved
				continue
			}
			findings = found
		}
		require.Equal(t, want.Counts, findings.Counts)
		require.Equal(t, ids(want), ids(findings))
		require.GreaterOrEqual(t, attempts, 3)
		require.True(t, parts[partLog], "an attempt resumed within the log")
	})
	t.Run("begins again if the log ends before the position", func(t *testing.T) {
		t.Parallel()
		o := h.resumable(h.rows)
		o.Resume = &Progress{Part: partRows, Position: kurrent.Position{Commit: math.MaxInt64, Prepare: math.MaxInt64}, Counts: Counts{Checked: 7}}
		found, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, want.Counts, found.Counts)
	})
	t.Run("keeps what a finished part has found", func(t *testing.T) {
		t.Parallel()
		var last *Progress
		o := h.resumable(h.rows)
		o.Heartbeat = func(p Progress) { last = reloaded(t, p) }
		_, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, partWorkflows, last.Part)
		looked := &lookups{Rows: h.rows}
		o = h.resumable(looked)
		o.Resume, o.Heartbeat = last, func(Progress) {}
		found, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, want.Counts, found.Counts)
		require.Equal(t, ids(want), ids(found))
		require.Empty(t, looked.ids)
	})
	t.Run("lists no more than asked for, and counts the rest", func(t *testing.T) {
		t.Parallel()
		o := h.resumable(h.rows)
		o.Listed = 4
		found, err := Run(t.Context(), o)
		require.NoError(t, err)
		require.Equal(t, []int{4, 7, 11}, []int{len(found.Differences), found.More, found.Left})
		all, left := found.ByKind()
		require.Equal(t, all, left)
		require.Equal(t, map[string]int{
			"missing": 9, "extra": 2, "held": 0, "lost": 0, "conflict": 0, "stuck": 0, "undelivered": 0, "unlinked": 0, "unreserved": 0,
		}, left)
	})
}

// reloaded returns a progress as the next attempt gets it.
func reloaded(t *testing.T, p Progress) *Progress {
	t.Helper()
	content, err := json.Marshal(p)
	require.NoError(t, err)
	require.NotContains(t, string(content), "customer")
	var again Progress
	require.NoError(t, json.Unmarshal(content, &again))
	return &again
}

func ids(f *Findings) (all []string) {
	f.Orders(func(orderID, what string, _ bool) { all = append(all, what+" "+orderID) })
	slices.Sort(all)
	return all
}

// A repair that takes effect after its attempt has ended is not reported again, and one
// that took effect before is counted.
func TestRun_ResumeRepairs(t *testing.T) {
	t.Parallel()
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.placeSome(4, 0)
	failed := errors.New("the attempt ended")
	o := h.resumable(h.rows)
	o.Fix, o.Wait = true, longEnough
	var resume *Progress
	ctx, end := context.WithCancelCause(t.Context())
	o.Heartbeat = func(p Progress) {
		if p.Counts.Checked == 2 && resume == nil {
			resume = reloaded(t, p)
			end(failed)
		}
	}
	_, err := Run(ctx, o)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []int{2, 2, 0}, []int{resume.Counts.Missing, resume.Counts.Fixed, resume.Counts.Left}, "remedies are awaited before the progress is saved")
	o.Resume, o.Heartbeat = resume, func(Progress) {}
	found, err := Run(t.Context(), o)
	require.NoError(t, err)
	requireFindings(t, "checked 4  missing 4  extra 0  held 0  parked 0  fixed 4  left 0", found)
	_, left := found.ByKind()
	require.Zero(t, left["missing"])
}
