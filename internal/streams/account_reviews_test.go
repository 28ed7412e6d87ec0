package streams_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// reviewFor returns a request for a review because of the newest event of a customer's
// account.
func reviewFor(t require.TestingT, events []kurrent.Event, customerID string) credit.ReviewRequest {
	require.NotEmpty(t, events)
	newest := events[len(events)-1]
	return credit.ReviewRequest{
		CustomerID: customerID, Now: time.Now(),
		Source: order.Source{
			Stream: newest.Stream, Revision: newest.Revision, EventID: newest.ID.String(), Trace: correlation.Decode(newest.Metadata),
		},
	}
}

func accountEvents(t *testing.T, client *kurrent.Client, customerID string) (events []kurrent.Event) {
	t.Helper()
	require.NoError(t, client.ReadStream(t.Context(), credit.Stream(customerID), 0, 0, func(e kurrent.Event) error {
		events = append(events, e)
		return nil
	}))
	return events
}

// holdOrder asks for more credit than there is, for an order that may wait.
func holdOrder(t *testing.T, a *streams.CreditAccounts, customerID string, number int, amount string) {
	t.Helper()
	request := requestFor(t, customerID, number, amount)
	request.HoldUntil = time.Now().Add(time.Hour)
	decision, err := a.Reserve(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, credit.VerdictHeld, decision.Verdict)
}

func TestReview(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	a := newAccounts(t, client)
	for number, amount := range []string{"USD1200.00", "USD1500.00", "USD1100.00"} {
		holdOrder(t, a, "c1", number, amount)
	}
	due, err := a.ReviewDue(t.Context(), "c1", 3, time.Now())
	require.NoError(t, err)
	require.False(t, due)
	_, err = a.ReviewDue(t.Context(), "c1", 4, time.Now())
	require.ErrorIs(t, err, kurrent.ErrUnavailable, "the account does not have that event yet")

	_, err = a.ChangeLimit(t.Context(), "c1", order.Money{Minor: 2400_00, Currency: "USD"})
	require.NoError(t, err)
	due, err = a.ReviewDue(t.Context(), "c1", 4, time.Now())
	require.NoError(t, err)
	require.True(t, due)
	request := reviewFor(t, accountEvents(t, client, "c1"), "c1")
	late := request
	late.Source.Revision = 5
	_, err = a.Review(t.Context(), late)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	for range 2 {
		for _, accounts := range []*streams.CreditAccounts{a, newAccounts(t, client)} {
			reviewed, err := accounts.Review(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, credit.Reviewed{Orders: []string{"order-0", "order-2"}}, reviewed)
		}
	}
	events := accountEvents(t, client, "c1")
	require.Len(t, events, 7)
	for i, want := range []string{"order-0", "order-2"} {
		e := events[5+i]
		decoded, err := credit.DecodeEvent(e.Type, e.Data)
		require.NoError(t, err)
		require.Equal(t, want, decoded.(credit.Reserved).OrderID)
		require.Equal(t, request.Source.EventID, decoded.(credit.Reserved).FreedBy)
		require.Contains(t, string(e.Metadata), `"$causationId":"`+request.Source.EventID+`"`)
	}
	due, err = a.ReviewDue(t.Context(), "c1", 6, time.Now())
	require.NoError(t, err)
	require.False(t, due)
}

// TestReview_Races releases orders by several writers, each of which reviews what it has
// freed while the others do the same. In the end no order is on hold that fits, each was
// reserved once, and none before an older one that fitted.
func TestReview_Races(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	const customer, reserved, held = "c1", 5, 20
	first := newAccounts(t, client)
	for number := range reserved {
		_, err := first.Reserve(t.Context(), requestFor(t, customer, number, "USD200.00"))
		require.NoError(t, err)
	}
	amounts := []string{"USD300.00", "USD100.00", "USD250.00"}
	for number := range held {
		holdOrder(t, first, customer, reserved+number, amounts[number%len(amounts)])
	}
	var writers sync.WaitGroup
	for number := range reserved {
		writers.Go(func() {
			a := newAccounts(t, client)
			request := requestFor(t, customer, number, "USD0.00")
			_, err := retryUntilDone(t.Context(), func() (credit.Decision, error) {
				return a.Release(t.Context(), request, credit.Cause{Reason: "paid"})
			})
			if !assert.NoError(t, err) {
				return
			}
			for _, e := range accountEvents(t, client, customer) { // like a bridge that is late, each reviews for every event
				if e.Type == credit.TypeReleased {
					review := reviewFor(t, []kurrent.Event{e}, customer)
					_, err := retryUntilDone(t.Context(), func() (credit.Reviewed, error) { return a.Review(t.Context(), review) })
					assert.NoError(t, err)
				}
			}
		})
	}
	writers.Wait()
	account, seen := credit.NewAccount(customer), map[string]bool{}
	for _, e := range accountEvents(t, client, customer) {
		decoded, err := credit.DecodeEvent(e.Type, e.Data)
		require.NoError(t, err)
		if r, ok := decoded.(credit.Reserved); ok {
			require.False(t, seen[r.OrderID], "%s is reserved twice", r.OrderID)
			seen[r.OrderID] = true
			if r.FreedBy != "" {
				next, _, err := account.Review("test", time.Now())
				require.NoError(t, err)
				require.Equal(t, next.Orders[0], r.OrderID, "the oldest that fits")
			}
		}
		require.NoError(t, account.Apply(decoded))
	}
	require.False(t, account.ReviewDue(time.Now()), "nothing is left that fits")
	require.LessOrEqual(t, account.Reserved().Minor, account.Limit().Minor)
	require.Greater(t, len(seen), reserved)
}
