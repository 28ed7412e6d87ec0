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

// newStackClientFor returns a stackClient for the test's own stack.
func newStackClientFor(t *testing.T, at *stack) *stackClient {
	t.Helper()
	s := &stackClient{t: t, stack: at, temporal: dial(t, at)}
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

// effects is everything that orders have left outside of Temporal.
type effects struct {
	Credit []string            // each event of each account
	Rows   map[string][]string // of each table
	Mails  []string
}

func (s *stackClient) effects() effects {
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

// recreateGroup makes the bridge start again from the first event. Only an administrator
// may create the group unless every user may do everything.
func (s *stackClient) recreateGroup() {
	s.t.Helper()
	err := s.events.DeletePersistentSubscription(s.t.Context(), "$ce-order", "fulfillment", kurrentdb.DeletePersistentSubscriptionOptions{})
	require.NoError(s.t, err)
	if s.stack.secured != nil {
		said, err := s.stack.command(s.t.Context(), "orderflow", "setup", "--only", "kurrentdb").CombinedOutput()
		require.NoError(s.t, err, "%s", said)
	}
}

// awaitDrained waits until the group has processed every event.
func (s *stackClient) awaitDrained() {
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

func (s *stackClient) lastOf(stream string) (uint64, error) {
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

// awaitOpen waits until exactly n workflows are open.
func (s *stackClient) awaitOpen(n int64) {
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

// The scenarios of the replayed orders.
const (
	scenarioShipped    = "shipped"
	scenarioCancelled  = "cancelled"
	scenarioRequested  = "cancelled by an event"
	scenarioRejected   = "rejected"
	scenarioDeclined   = "declined"
	scenarioPaid       = "paid and shipped"
	scenarioFulfilling = "fulfilling"
	scenarioOnHold     = "on hold"
)

// runScenarios runs one order through each scenario, and returns their ids and states.
func (s *stackClient) runScenarios() (map[string]string, map[string]order.State) {
	s.t.Helper()
	over, small, customer := "USD6000.00", "USD100.00", "customer-"+uuid.NewString()
	ids, states := map[string]string{}, map[string]order.State{}
	for scenario, price := range map[string]string{
		scenarioShipped: small, scenarioCancelled: small, scenarioRequested: small, scenarioDeclined: over, scenarioPaid: small, scenarioFulfilling: small, scenarioOnHold: over,
	} {
		ids[scenario] = s.place(orderSpec{price: price})
	}
	first := s.place(orderSpec{customer: customer})
	s.awaitMail(first, order.StatusFulfilling, "sent")
	ids["fulfilling too"], ids[scenarioRejected] = first, s.place(orderSpec{customer: customer, price: "EUR10.00"})
	for _, scenario := range []string{scenarioShipped, scenarioCancelled, scenarioRequested, scenarioPaid, scenarioFulfilling} {
		s.awaitMail(ids[scenario], order.StatusFulfilling, "sent")
	}
	s.append(ids[scenarioPaid], "order-paid", map[string]any{"amount": "USD242.00"})
	s.closed("settlement-" + ids[scenarioPaid] + "-1")
	for _, scenario := range []string{scenarioShipped, scenarioPaid} {
		_, err := s.update(ids[scenario], "record-shipment", shipped)
		require.NoError(s.t, err)
	}
	_, err := s.update(ids[scenarioCancelled], "cancel-order", `{"reason":"customer-request"}`)
	require.NoError(s.t, err)
	s.append(ids[scenarioRequested], "order-cancellation-requested", map[string]any{"reason": "fraud"})
	s.awaitStatus(ids[scenarioDeclined], order.StatusOnHold)
	_, err = s.update(ids[scenarioDeclined], "decline-credit", `{"by":"op-1","note":""}`)
	require.NoError(s.t, err)
	s.awaitStatus(ids[scenarioOnHold], order.StatusOnHold)
	s.awaitOpen(3)
	for scenario, id := range ids {
		states[scenario] = s.await(id, func(order.State) bool { return true })
	}
	return ids, states
}

// requireUnchanged waits until the orders are in their earlier states and no other
// workflow is open.
func (s *stackClient) requireUnchanged(ids map[string]string, states map[string]order.State, open int64) {
	s.t.Helper()
	for _, scenario := range slices.Sorted(maps.Keys(ids)) {
		s.await(ids[scenario], func(now order.State) bool {
			was := states[scenario]
			was.UpdatedAt = now.UpdatedAt // of the workflow, which is a new one
			was.Emails = now.Emails       // those that the workflow itself began to send
			if scenario == scenarioPaid {
				was.Credit = order.CreditReleased // by the settlement, concurrently with the first workflow
			}
			return assert.ObjectsAreEqual(was, now)
		})
	}
	s.awaitOpen(open)
}

func TestReplay_WholeStreamOverEmptyTemporal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := []string{"CREDIT_HOLD=30m", "EMAIL_UNKNOWN_GRACE=1s"}
	first, err := startStack(dir, environ, "--rate", "0")
	require.NoError(t, err)
	s := newStackClientFor(t, first)
	ids, states := s.runScenarios()
	before := s.effects()
	require.NoError(t, first.stop())

	for _, file := range []string{"temporal.db", "temporal.db-wal", "temporal.db-shm"} {
		if err := os.Remove(filepath.Join(dir, file)); err != nil {
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
	second, err := startStack(dir, environ, "--rate", "0")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, second.stop(), "%s", second.log) })
	s = newStackClientFor(t, second)
	s.awaitOpen(0)
	s.recreateGroup()
	s.requireUnchanged(ids, states, 3)
	require.Equal(t, before, s.effects())

	_, err = s.update(ids[scenarioFulfilling], "record-shipment", shipped)
	require.NoError(t, err)
	s.awaitMail(ids[scenarioFulfilling], order.StatusShipped, "sent")
	require.ElementsMatch(t, []string{"confirmation", "shipment"}, kinds(s.mails(ids[scenarioFulfilling])))
	_, err = s.update(ids[scenarioOnHold], "approve-credit", `{"by":"op-1","note":""}`)
	require.NoError(t, err)
	s.awaitMail(ids[scenarioOnHold], order.StatusFulfilling, "sent")
	require.Equal(t, []string{"confirmation"}, kinds(s.mails(ids[scenarioOnHold])))

	states[scenarioFulfilling] = s.awaitStatus(ids[scenarioFulfilling], order.StatusShipped)
	states[scenarioOnHold] = s.awaitStatus(ids[scenarioOnHold], order.StatusFulfilling)
	s.awaitOpen(2)
	after := s.effects()
	s.recreateGroup() // once more, over existing workflows
	s.awaitDrained()
	s.requireUnchanged(ids, states, 2)
	require.Equal(t, after, s.effects())
}
