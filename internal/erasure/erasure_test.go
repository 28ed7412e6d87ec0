package erasure_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/startertest"
	"orderflow/internal/erasure"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestErase(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	customer, other := newID("customer"), r.settled(newID("customer"))
	first, second := r.settled(customer), r.settled(customer)
	invalid := r.place(customer, func(body map[string]any) { body["lineItems"] = nil })
	invalid.OrderID = invalid.source.Stream
	subject := erasure.Subject{CustomerID: customer}
	mine := []string{first.OrderID, second.OrderID, invalid.OrderID}
	slices.Sort(mine)

	report, err := erasure.Verify(t.Context(), r.Stores, subject)
	require.NoError(t, err)
	require.Equal(t, 5, report.Left(), "three streams and two rows")
	require.Equal(t, []string{"email_delivery", "order_fulfillment"}, r.personal(first.OrderID))

	done, err := r.erase(subject, erasure.Options{})
	require.NoError(t, err)
	require.Equal(t, erasure.Erased{Orders: 3, Streams: 3, Rows: 2}, done)
	for _, id := range mine {
		require.Empty(t, r.personal(id))
		require.False(t, r.readable(id))
	}
	require.NotEmpty(t, r.personal(other.OrderID))
	require.True(t, r.readable(other.OrderID))

	report, err = erasure.Verify(t.Context(), r.Stores, subject)
	require.NoError(t, err)
	var want []string
	for _, id := range mine {
		want = append(want, "KurrentDB|"+id+"|deleted|the stream was deleted")
	}
	require.Equal(t, append(want, "PostgreSQL|2 rows with their emails|gone|", "PostgreSQL|earlier versions of rows|deleted|of 2 orders, not frozen",
		"backups|copies of both stores|unknown|backups, archived logs and snapshots"), places(report))
	require.Equal(t, 4, report.Left())

	done, err = r.erase(subject, erasure.Options{})
	require.NoError(t, err, "the same again")
	require.Equal(t, erasure.Erased{Orders: 3, Rows: 2}, done)
}

func TestVerify_Gone(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	customer := newID("customer")
	one := placedOrder{Placed: order.Placed{OrderID: newID("order"), CustomerID: customer, Total: order.Money{Minor: 100, Currency: "USD"}}}
	r.pay(one) // the log has lost it, as after a scavenge
	stored := r.settled(customer)
	older, err := pgx.Connect(t.Context(), r.database.Config().ConnString())
	require.NoError(t, err)
	t.Cleanup(func() { _ = older.Close(context.Background()) })
	_, err = older.Exec(t.Context(), "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM order_fulfillment")
	require.NoError(t, err)
	_, err = r.erase(erasure.Subject{OrderID: stored.OrderID}, erasure.Options{})
	require.NoError(t, err)
	report := r.frozen(customer)
	require.Contains(t, places(report), "PostgreSQL|earlier versions of rows|deleted|of 1 orders, not frozen", "a transaction still reads them")

	_, err = older.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.Eventually(t, func() bool { return r.frozen(customer).Left() == 1 }, longEnough, 100*time.Millisecond)
	report = r.frozen(customer)
	require.Equal(t, []string{
		"KurrentDB|" + stored.OrderID + "|deleted|the stream was deleted", "KurrentDB|1 streams|gone|",
		"PostgreSQL|1 rows with their emails|gone|", "PostgreSQL|earlier versions of rows|gone|",
		"backups|copies of both stores|unknown|backups, archived logs and snapshots",
	}, places(report))
}

func TestErase_RefusedWhileAnOrderIsOpen(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arrange func(r *erasureRig, customer string) (orderID string)
		reason  string
	}{
		"its workflow runs": {func(r *erasureRig, customer string) string {
			o := r.settled(customer)
			r.start(o.OrderID)
			return o.OrderID
		}, "is open: the workflow ORDER is running"},
		"its row is restored": {func(r *erasureRig, customer string) string {
			o := r.settled(customer)
			r.start(workflows.RestoreID(o.OrderID))
			return o.OrderID
		}, "is open: the workflow restore-ORDER is running"},
		"its workflow is lost": {func(r *erasureRig, customer string) string {
			return r.fulfill(r.place(customer, nil)).OrderID
		}, "is fulfilling, and no workflow processes it: run `orderflow reconcile`"},
		"it was not started": {func(r *erasureRig, customer string) string {
			return r.place(customer, nil).OrderID
		}, "was not started yet: wait, or run `orderflow reconcile`"},
		"it is not paid": {func(r *erasureRig, customer string) string {
			return r.ship(r.fulfill(r.place(customer, nil))).OrderID
		}, "is not paid, and its credit is reserved: see --unpaid"},
		"it names another customer too": {func(r *erasureRig, customer string) string {
			o := r.settled(customer)
			r.placeOn(o.OrderID, newID("customer"), nil)
			return o.OrderID
		}, "was placed for another customer too: see `orderflow erase --order`"},
		"it cannot be read": {func(r *erasureRig, customer string) string {
			id := newID("order")
			event := kurrent.NewEvent{ID: uuid.New(), Type: order.TypePlaced, Data: fmt.Appendf(nil, `{"customerId":%q,`, customer), Binary: true}
			_, err := r.Events.Append(r.t.Context(), id, kurrent.NoStream(), event)
			require.NoError(r.t, err)
			return id
		}, "is not JSON, and may be another customer's: see `orderflow erase --order`"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newErasureRig(t)
			customer := newID("customer")
			closed := r.settled(customer)
			id := test.arrange(r, customer)
			_, err := r.erase(erasure.Subject{CustomerID: customer}, erasure.Options{})
			var refused *erasure.RefusedError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, []erasure.Refusal{{OrderID: id, Reason: strings.ReplaceAll(test.reason, "ORDER", id)}}, refused.Orders)
			require.ErrorContains(t, err, "nothing was erased, because of 1 orders\n"+id)
			require.True(t, r.readable(closed.OrderID))
			require.NotEmpty(t, r.personal(closed.OrderID))
		})
	}
}

func TestErase_OneOrder(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	customer := newID("customer")
	one, rest := r.ship(r.fulfill(r.place(customer, nil))), r.settled(customer)
	subject := erasure.Subject{OrderID: one.OrderID}
	_, err := r.erase(subject, erasure.Options{})
	require.ErrorContains(t, err, "--unpaid")
	done, err := r.erase(subject, erasure.Options{Unpaid: true})
	require.NoError(t, err)
	require.Equal(t, erasure.Erased{Orders: 1, Streams: 1, Rows: 1}, done)
	require.Empty(t, r.personal(one.OrderID))
	require.True(t, r.readable(rest.OrderID))
}

func TestErase_ResumesAfterAnInterruption(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	customer := newID("customer")
	ids := []string{r.settled(customer).OrderID, r.settled(customer).OrderID, r.settled(customer).OrderID}
	slices.Sort(ids)
	r.Rows = &interruptedRows{r.rows, ids[1]}
	subject := erasure.Subject{CustomerID: customer}
	done, err := r.erase(subject, erasure.Options{})
	require.ErrorIs(t, err, errInterrupted)
	require.Equal(t, erasure.Erased{Orders: 2, Streams: 2, Rows: 1}, done)
	require.NotEmpty(t, r.personal(ids[1]), "its stream is deleted already")

	done, err = r.erase(subject, erasure.Options{})
	require.NoError(t, err)
	require.Equal(t, erasure.Erased{Orders: 3, Streams: 1, Rows: 3}, done)
	for _, id := range ids {
		require.Empty(t, r.personal(id))
		require.False(t, r.readable(id))
	}
}

func TestErase_NotesOfDecisions(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	o := r.settled(newID("customer"))
	notes := "creditdecision-" + o.OrderID
	_, err := r.Events.Append(t.Context(), notes, kurrent.NoStream(),
		startertest.NewEvent("credit-approved", map[string]any{"by": "op-1", "note": canary + " is a good customer"}))
	require.NoError(t, err)
	subject := erasure.Subject{CustomerID: o.CustomerID}
	report, err := erasure.Verify(t.Context(), r.Stores, subject)
	require.NoError(t, err)
	require.Contains(t, places(report), "KurrentDB|"+notes+"|held|the notes of decisions can be read")
	done, err := r.erase(subject, erasure.Options{})
	require.NoError(t, err)
	require.Equal(t, erasure.Erased{Orders: 1, Streams: 2, Rows: 1}, done)
	require.False(t, r.readable(notes))
	report, err = erasure.Verify(t.Context(), r.Stores, subject)
	require.NoError(t, err)
	require.Contains(t, places(report), "KurrentDB|"+notes+"|deleted|the stream was deleted")
}

func TestErase_None(t *testing.T) {
	t.Parallel()
	r := newErasureRig(t)
	for _, subject := range []erasure.Subject{{CustomerID: newID("customer")}, {OrderID: newID("order")}} {
		_, err := r.erase(subject, erasure.Options{})
		require.ErrorIs(t, err, erasure.ErrNone)
		_, err = erasure.Verify(t.Context(), r.Stores, subject)
		require.ErrorIs(t, err, erasure.ErrNone)
	}
}
