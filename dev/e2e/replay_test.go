package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/order"
)

// shopAt is a shop in a stack of the test's own.
func shopAt(t *testing.T, at *stack) *shop {
	t.Helper()
	s := &shop{t: t, stack: at, temporal: dial(t, at)}
	settings, err := kurrentdb.ParseConnectionString(at.KurrentURL)
	require.NoError(t, err)
	settings.Logger = kurrentdb.NoopLogging()
	s.events, err = kurrentdb.NewClient(settings)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.events.Close() })
	s.database, err = pgx.Connect(t.Context(), at.PostgresURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.database.Close(context.Background()) })
	return s
}

// effects is everything that orders have left in the world outside of Temporal.
type effects struct {
	Credit []string            // each event of each account
	Rows   map[string][]string // of each table
	Mails  []string
}

func (s *shop) effects() effects {
	s.t.Helper()
	all := effects{Rows: map[string][]string{}}
	links, err := s.events.ReadStream(s.t.Context(), "$ce-credit", kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true}, 10_000)
	require.NoError(s.t, err)
	defer links.Close()
	for {
		e, err := links.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(s.t, err)
		all.Credit = append(all.Credit, fmt.Sprintf("%d@%s %s %s", e.Event.EventNumber, e.Event.StreamID, e.Event.EventType, e.Event.EventID))
	}
	for _, table := range []string{"order_fulfillment", "order_fulfillment_line", "order_fulfillment_history", "email_delivery"} {
		rows, err := s.database.Query(s.t.Context(), "SELECT to_jsonb(t)::text FROM "+table+" t ORDER BY 1")
		require.NoError(s.t, err)
		all.Rows[table], err = pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(s.t, err)
	}
	response, err := http.Get(s.stack.SESURL + "/messages")
	require.NoError(s.t, err)
	defer response.Body.Close()
	var mails []struct{ MessageID string }
	require.NoError(s.t, json.NewDecoder(response.Body).Decode(&mails))
	for _, m := range mails {
		all.Mails = append(all.Mails, m.MessageID)
	}
	slices.Sort(all.Mails)
	return all
}

// recreateGroup lets the bridge begin again with the first event there is.
func (s *shop) recreateGroup() {
	s.t.Helper()
	err := s.events.DeletePersistentSubscription(s.t.Context(), "$ce-order", "fulfillment", kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(s.t, err)
}

// awaitDrained waits until the group is done with every event there is.
func (s *shop) awaitDrained() {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		info, err := s.events.GetPersistentSubscriptionInfo(s.t.Context(), "$ce-order", "fulfillment", kurrentdb.GetPersistentSubscriptionOptions{})
		if !assert.NoError(c, err) || !assert.NotNil(c, info.Stats.LastCheckpointedEventRevision) {
			return
		}
		last, err := s.lastOf("$ce-order")
		require.NoError(c, err)
		assert.Equal(c, last, *info.Stats.LastCheckpointedEventRevision)
		assert.Zero(c, info.Stats.ParkedMessagesCount)
	}, patience, 100*time.Millisecond)
}

func (s *shop) lastOf(stream string) (uint64, error) {
	options := kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}}
	last, err := s.events.ReadStream(s.t.Context(), stream, options, 1)
	if err != nil {
		return 0, err
	}
	defer last.Close()
	event, err := last.Recv()
	if err != nil {
		return 0, err
	}
	return event.OriginalEvent().EventNumber, nil
}

// awaitOpen waits until so many workflows are open, and no more.
func (s *shop) awaitOpen(n int64) {
	s.t.Helper()
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		answer, err := s.temporal.CountWorkflow(s.t.Context(), &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: "default", Query: `ExecutionStatus="Running"`,
		})
		if assert.NoError(c, err) {
			assert.Equal(c, n, answer.GetCount())
		}
	}, patience, 100*time.Millisecond)
}

// What becomes of the orders of the replay, by the name of their way.
const (
	wayShipped    = "shipped"
	wayCancelled  = "cancelled"
	wayRequested  = "cancelled by an event"
	wayRejected   = "rejected"
	wayDeclined   = "declined"
	wayPaid       = "paid and shipped"
	wayFulfilling = "fulfilling"
	wayOnHold     = "on hold"
)

// walk takes an order each way, and gives their ids and states.
func (s *shop) walk() (map[string]string, map[string]order.State) {
	s.t.Helper()
	over, small, customer := "USD6000.00", "USD100.00", "customer-"+uuid.NewString()
	ids, states := map[string]string{}, map[string]order.State{}
	for way, price := range map[string]string{
		wayShipped: small, wayCancelled: small, wayRequested: small, wayDeclined: over, wayPaid: small, wayFulfilling: small, wayOnHold: over,
	} {
		ids[way] = s.place(basket{price: price})
	}
	first := s.place(basket{customer: customer})
	s.awaitMail(first, order.StatusFulfilling, "sent")
	ids["fulfilling too"], ids[wayRejected] = first, s.place(basket{customer: customer, price: "EUR10.00"})
	for _, way := range []string{wayShipped, wayCancelled, wayRequested, wayPaid, wayFulfilling} {
		s.awaitMail(ids[way], order.StatusFulfilling, "sent")
	}
	s.append(ids[wayPaid], "order-paid", map[string]any{"amount": "USD242.00"})
	s.closed("settlement-" + ids[wayPaid] + "-1")
	for _, way := range []string{wayShipped, wayPaid} {
		_, err := s.update(ids[way], "record-shipment", shipped)
		require.NoError(s.t, err)
	}
	_, err := s.update(ids[wayCancelled], "cancel-order", `{"reason":"customer-request"}`)
	require.NoError(s.t, err)
	s.append(ids[wayRequested], "order-cancellation-requested", map[string]any{"reason": "fraud"})
	s.awaitStatus(ids[wayDeclined], order.StatusOnHold)
	_, err = s.update(ids[wayDeclined], "decline-credit", `{"by":"op-1","note":""}`)
	require.NoError(s.t, err)
	s.awaitStatus(ids[wayOnHold], order.StatusOnHold)
	s.awaitOpen(3)
	for way, id := range ids {
		states[way] = s.await(id, func(order.State) bool { return true })
	}
	return ids, states
}

// rest waits until the orders are where they were, and nothing else is under way.
func (s *shop) rest(ids map[string]string, states map[string]order.State, open int64) {
	s.t.Helper()
	for _, way := range slices.Sorted(maps.Keys(ids)) {
		s.await(ids[way], func(now order.State) bool {
			was := states[way]
			was.UpdatedAt = now.UpdatedAt // of the workflow, which is a new one
			was.Emails = now.Emails       // those that the workflow itself began to send
			if way == wayPaid {
				was.Credit = order.CreditReleased // by the settlement, beside the first workflow
			}
			return assert.ObjectsAreEqual(was, now)
		})
	}
	s.awaitOpen(open)
}

func TestTheWholeStreamOverAnEmptyTemporalHasNoNewEffect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := []string{"CREDIT_HOLD=30m", "EMAIL_UNKNOWN_GRACE=1s"}
	first, err := startStack(dir, environ, "--rate", "0")
	require.NoError(t, err)
	s := shopAt(t, first)
	ids, states := s.walk()
	before := s.effects()
	require.NoError(t, first.stop())

	for _, file := range []string{"temporal.db", "temporal.db-wal", "temporal.db-shm"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
	second, err := startStack(dir, environ, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, second.stop()) })
	s = shopAt(t, second)
	s.awaitOpen(0)
	s.recreateGroup()
	s.rest(ids, states, 3)
	require.Equal(t, before, s.effects())

	_, err = s.update(ids[wayFulfilling], "record-shipment", shipped)
	require.NoError(t, err)
	s.awaitMail(ids[wayFulfilling], order.StatusShipped, "sent")
	require.ElementsMatch(t, []string{"confirmation", "shipment"}, kinds(s.mails(ids[wayFulfilling])))
	_, err = s.update(ids[wayOnHold], "approve-credit", `{"by":"op-1","note":""}`)
	require.NoError(t, err)
	s.awaitMail(ids[wayOnHold], order.StatusFulfilling, "sent")
	require.Equal(t, []string{"confirmation"}, kinds(s.mails(ids[wayOnHold])))

	states[wayFulfilling] = s.awaitStatus(ids[wayFulfilling], order.StatusShipped)
	states[wayOnHold] = s.awaitStatus(ids[wayOnHold], order.StatusFulfilling)
	s.awaitOpen(2)
	after := s.effects()
	s.recreateGroup() // once more, over workflows that are there
	s.awaitDrained()
	s.rest(ids, states, 2)
	require.Equal(t, after, s.effects())
}
