package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

const orderID = "order-0001"

var (
	total  = order.Money{Minor: 1800, Currency: "USD"}
	source = order.Source{Stream: orderID, EventID: "8ac54566-28e9-4090-9719-7f41848bd2e2"}
	placed = order.Placed{OrderID: orderID, CustomerID: "customer-7", Total: total}
)

// fakeStores implement every dependency of the activities, each with the result it is to
// return.
type fakeStores struct {
	decision credit.Decision
	creditBy string
	released credit.Cause
	body     order.Placed
	payments []order.Paid
	row      fulfillment.Row
	closed   fulfillment.Close
	parcels  []fulfillment.ParcelLeft
	claims   []email.Claim
	settled  []email.Outcome
	settles  email.Status

	restoredHold time.Time
	published    []fulfillment.Version
	publishedErr error
	restored     []fulfillment.Restore

	firstParcelErr error

	settleErr error
	sendErr   error
	err       error
	metered   []email.Status
}

func (s *fakeStores) Reserve(context.Context, credit.Request) (credit.Decision, error) {
	return s.decision, s.err
}

func (s *fakeStores) Approve(_ context.Context, _ credit.Request, by string) (credit.Decision, error) {
	s.creditBy = by
	return s.decision, s.err
}

func (s *fakeStores) Restore(_ context.Context, r credit.Request, by string) (credit.Decision, error) {
	s.creditBy, s.restoredHold = by, r.HoldUntil
	return s.decision, nil
}

func (s *fakeStores) Release(_ context.Context, _ credit.Request, cause credit.Cause) (credit.Decision, error) {
	s.released = cause
	return s.decision, s.err
}

func (s *fakeStores) Body(context.Context, order.Source) (order.Placed, error) { return s.body, s.err }

func (s *fakeStores) Payments(context.Context, order.Source) (order.Placed, []order.Paid, error) {
	return s.body, s.payments, s.err
}

func (s *fakeStores) FirstCancellation(context.Context, string, uint64) (order.Cancellation, bool, error) {
	return order.Cancellation{}, false, s.err
}

func (s *fakeStores) StartFulfillment(context.Context, fulfillment.Start) (fulfillment.Row, error) {
	return s.row, s.err
}

func (s *fakeStores) RecordParcel(_ context.Context, p fulfillment.ParcelLeft) (fulfillment.Row, error) {
	s.parcels = append(s.parcels, p)
	if len(s.parcels) == 1 && s.firstParcelErr != nil {
		return s.row, s.firstParcelErr
	}
	return s.row, s.err
}

func (s *fakeStores) CloseFulfillment(_ context.Context, c fulfillment.Close) (fulfillment.Row, error) {
	s.closed = c
	return s.row, s.err
}

func (s *fakeStores) RestoreFulfillment(_ context.Context, r fulfillment.Restore) (fulfillment.Row, error) {
	s.restored = append(s.restored, r)
	return s.row, nil
}

func (s *fakeStores) PublishedVersions(context.Context, string) ([]fulfillment.Version, error) {
	return s.published, s.publishedErr
}

func (s *fakeStores) ClaimEmail(context.Context, string, email.Kind) (email.Claim, error) {
	claim := s.claims[0]
	s.claims = s.claims[1:]
	return claim, s.err
}

func (s *fakeStores) SettleEmail(_ context.Context, o email.Outcome) (email.Status, error) {
	if s.settleErr != nil {
		return "", s.settleErr
	}
	s.settled = append(s.settled, o)
	if s.settles != "" {
		return s.settles, nil
	}
	return o.Status, nil
}

func (s *fakeStores) Send(context.Context, email.Letter) (string, error) {
	return "message-1", s.sendErr
}
func (s *fakeStores) EmailSettled(_ email.Kind, status email.Status) {
	s.metered = append(s.metered, status)
}

// runActivity runs one activity as a worker would, and returns its result.
func runActivity[T any](t *testing.T, s *fakeStores, name string, in any) (T, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.RegisterActivity(&activities.Activities{
		Credit: s, Orders: s, Fulfillments: s, Published: s, Emails: s, Mailer: s, Meter: s, HoldFor: 30 * time.Minute,
	})
	var out T
	value, err := env.ExecuteActivity(name, in)
	if err == nil {
		require.NoError(t, value.Get(&out))
	}
	return out, err
}

func TestStartFulfillment_ErrorClassification(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		err     error
		errType string
		retried bool
	}{
		{"an outage", errors.New("connection refused"), "UNAVAILABLE", true},
		{"a body that is gone", order.ErrGone, "ORDER_GONE", false},
		{"a body that cannot be read", &order.InvalidError{Path: "at", Reason: "is missing"}, "FULFILLMENT_FAILED", false},
		{"another order's row", fulfillment.ErrMismatch, "ORDER_MISMATCH", false},
		{"a row the store refuses", fulfillment.ErrInvalid, "FULFILLMENT_FAILED", false},
		{"an account with an impossible history", &credit.HistoryError{}, "BLOCKED", true},
		{"an account with an event of a newer version", credit.ErrUnknownEvent, "BLOCKED", true},
		{"a currency without a default limit", credit.ErrNoLimit, "BLOCKED", true},
		{"a busy account", fmt.Errorf("%w: 16 requests", credit.ErrBusy), "CREDIT_BUSY", true},
		{"a missing permission in KurrentDB", fmt.Errorf("append: %w", kurrent.ErrAccessDenied), "BLOCKED", true},
		{"an event that is too large", kurrent.ErrTooLarge, "BLOCKED", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &fakeStores{body: placed, err: test.err}
			_, err := runActivity[activities.Fulfillment](t, s, "StartFulfillment", activities.StartFulfillmentInput{
				OrderID: orderID, CustomerID: placed.CustomerID, Total: total, Source: source,
			})
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			require.Equal(t, test.errType, application.Type())
			require.Equal(t, !test.retried, application.NonRetryable())
			require.Equal(t, test.retried, application.NextRetryDelay() > 0)
		})
	}
}

// An outage is left a second at least. A busy account is not down: its steps come back
// much sooner, and do not count as failures.
func TestReserveCredit_BusyAccount(t *testing.T) {
	t.Parallel()
	for range 20 {
		_, err := runActivity[activities.CreditDecision](t, &fakeStores{err: credit.ErrBusy}, "ReserveCredit", activities.ReserveCreditInput{
			OrderID: orderID, CustomerID: placed.CustomerID, Amount: total, Source: source,
		})
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, temporal.ApplicationErrorCategoryBenign, application.Category())
		require.Less(t, application.NextRetryDelay(), 250*time.Millisecond)
		require.Greater(t, application.NextRetryDelay(), 10*time.Millisecond)
	}
}

func TestStartFulfillment_BodyDiffersFromOrder(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		corrupt func(*order.Placed)
	}{
		{"another total", func(p *order.Placed) { p.Total.Minor++ }},
		{"another currency", func(p *order.Placed) { p.Total.Currency = "EUR" }},
		{"another customer", func(p *order.Placed) { p.CustomerID = "customer-8" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := &fakeStores{body: placed}
			test.corrupt(&s.body)
			_, err := runActivity[activities.Fulfillment](t, s, "StartFulfillment", activities.StartFulfillmentInput{
				OrderID: orderID, CustomerID: placed.CustomerID, Total: total, Source: source,
			})
			var application *temporal.ApplicationError
			require.ErrorAs(t, err, &application)
			require.True(t, application.NonRetryable())
		})
	}
}

func TestReserveCredit_HoldUntilOnlyIfHeld(t *testing.T) {
	t.Parallel()
	for verdict, want := range map[credit.Verdict]int64{credit.VerdictHeld: 1800, credit.VerdictReserved: 0, credit.VerdictRefused: 0} {
		out, err := runActivity[activities.CreditDecision](t, &fakeStores{decision: credit.Decision{Verdict: verdict, Amount: total}},
			"ReserveCredit", activities.ReserveCreditInput{OrderID: orderID, Amount: total})
		require.NoError(t, err)
		require.Equal(t, want, out.HoldSeconds, verdict)
	}
	ends := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	out, err := runActivity[activities.CreditDecision](t, &fakeStores{
		decision: credit.Decision{Verdict: credit.VerdictHeld, Amount: total, HoldUntil: ends},
	}, "ReserveCredit", activities.ReserveCreditInput{OrderID: orderID, Amount: total})
	require.NoError(t, err)
	require.Equal(t, ends, out.HoldUntil, "the recorded end applies, not this worker's setting")
	require.Positive(t, out.HoldSeconds, "a workflow worker of an earlier version reads only this field")
}

func TestReserveCredit_ApprovedBy(t *testing.T) {
	t.Parallel()
	s := &fakeStores{decision: credit.Decision{Verdict: credit.VerdictReserved, Amount: total}}
	_, err := runActivity[activities.CreditDecision](t, s, "ReserveCredit", activities.ReserveCreditInput{OrderID: orderID, Amount: total, ApprovedBy: "op-1"})
	require.NoError(t, err)
	require.Equal(t, "op-1", s.creditBy)
}

func TestReserveCredit_ApprovedAfterLoss(t *testing.T) {
	t.Parallel()
	s := &fakeStores{err: credit.ErrNotHeld, decision: credit.Decision{Verdict: credit.VerdictReserved, Amount: total}}
	decision, err := runActivity[activities.CreditDecision](t, s, "ReserveCredit", activities.ReserveCreditInput{OrderID: orderID, Amount: total, ApprovedBy: "op-1"})
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
	require.Equal(t, "op-1", s.creditBy)
	require.False(t, s.restoredHold.IsZero())
}

func TestReleaseCredit_DeclinedBy(t *testing.T) {
	t.Parallel()
	s := &fakeStores{decision: credit.Decision{Verdict: credit.VerdictReleased, Reason: "CREDIT_DECLINED"}}
	_, err := runActivity[activities.CreditDecision](t, s, "ReleaseCredit", activities.ReleaseCreditInput{
		OrderID: orderID, Amount: total, Reason: "CREDIT_DECLINED", DeclinedBy: "op-1",
	})
	require.NoError(t, err)
	require.Equal(t, credit.Cause{Reason: "CREDIT_DECLINED", DeclinedBy: "op-1"}, s.released)
}

func TestCloseFulfillment_ReadsBodyOnlyForRejection(t *testing.T) {
	t.Parallel()
	for status, wantBody := range map[order.Status]bool{order.StatusRejected: true, order.StatusCancelled: false, order.StatusShipped: false} {
		s := &fakeStores{body: placed}
		_, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", activities.CloseFulfillmentInput{
			OrderID: orderID, CustomerID: placed.CustomerID, Total: total, Source: source, Status: status,
		})
		require.NoError(t, err)
		require.Equal(t, wantBody, s.closed.Order != nil, status)
	}
}

// TestFulfillment_JSON pins the form that recorded histories have: the members of a
// shipment are those of the payload, and are left out before the order is shipped.
func TestFulfillment_JSON(t *testing.T) {
	t.Parallel()
	dhl := &order.Shipment{Carrier: "DHL", TrackingNumber: "42"}
	for want, out := range map[string]activities.Fulfillment{
		`{"status":"fulfilling","email":"pending"}`:                                               {Status: order.StatusFulfilling, Email: email.StatusPending},
		`{"status":"shipped","carrier":"DHL","trackingNumber":"42","email":"sent","mailDue":"x"}`: {Status: order.StatusShipped, Shipment: dhl, Email: email.StatusSent, EmailDue: "x"},
	} {
		encoded, err := json.Marshal(out)
		require.NoError(t, err)
		require.Equal(t, want, string(encoded))
		var decoded activities.Fulfillment
		require.NoError(t, json.Unmarshal(encoded, &decoded))
		require.Equal(t, out, decoded)
	}
	encoded, err := json.Marshal(activities.CloseFulfillmentInput{Status: order.StatusShipped, Shipment: dhl})
	require.NoError(t, err)
	require.Contains(t, string(encoded), `"status":"shipped","carrier":"DHL","trackingNumber":"42"}`)
	encoded, err = json.Marshal(activities.CloseFulfillmentInput{Status: order.StatusCancelled})
	require.NoError(t, err)
	require.NotContains(t, string(encoded), "carrier")
}

func TestCloseFulfillment_AlreadyClosed(t *testing.T) {
	t.Parallel()
	s := &fakeStores{row: fulfillment.Row{Status: order.StatusShipped, Shipment: order.Shipment{Carrier: "DHL"}}, err: fulfillment.ErrClosed}
	out, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", activities.CloseFulfillmentInput{Status: order.StatusCancelled})
	require.NoError(t, err)
	require.Equal(t, order.StatusShipped, out.Status)
	require.Equal(t, "DHL", out.Carrier)
}

func TestSendEmail_Sent(t *testing.T) {
	t.Parallel()
	s := &fakeStores{claims: []email.Claim{{Status: email.StatusSending, Attempt: 3}}}
	out, err := runActivity[activities.EmailResult](t, s, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
	require.NoError(t, err)
	require.Equal(t, email.StatusSent, out.Status)
	require.Equal(t, []email.Outcome{{
		OrderID: orderID, Kind: email.KindConfirmation, Attempt: 3, Status: email.StatusSent, MessageID: "message-1",
	}}, s.settled)
	require.Equal(t, []email.Status{email.StatusSent}, s.metered)
}

func TestSendEmail_UnsettledOutcomeIsReturned(t *testing.T) {
	t.Parallel()
	s := &fakeStores{claims: []email.Claim{{Status: email.StatusSending, Attempt: 2}}, settleErr: errors.New("connection refused")}
	out, err := runActivity[activities.EmailResult](t, s, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
	require.NoError(t, err)
	want := email.Outcome{OrderID: orderID, Kind: email.KindConfirmation, Attempt: 2, Status: email.StatusSent, MessageID: "message-1"}
	require.Equal(t, &want, out.Unsettled)

	s.settleErr = nil
	out, err = runActivity[activities.EmailResult](t, s, "SettleEmail", *out.Unsettled)
	require.NoError(t, err)
	require.Equal(t, activities.EmailResult{Status: email.StatusSent}, out)
	require.Equal(t, []email.Outcome{want}, s.settled)
	require.Equal(t, []email.Status{email.StatusSent}, s.metered)
}

func TestSendEmail_FinalStatusIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for _, status := range []email.Status{email.StatusSent, email.StatusFailed, email.StatusSuppressed, email.StatusUnknown} {
		s := &fakeStores{claims: []email.Claim{{Status: status}}, sendErr: errors.New("must not be called")}
		out, err := runActivity[activities.EmailResult](t, s, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: status}, out)
		require.Empty(t, s.settled)
	}
}

func TestSendEmail_RetriesAfterLease(t *testing.T) {
	t.Parallel()
	s := &fakeStores{claims: []email.Claim{{Status: email.StatusPending, RetryIn: 42 * time.Second}}}
	_, err := runActivity[activities.EmailResult](t, s, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation})
	var application *temporal.ApplicationError
	require.ErrorAs(t, err, &application)
	require.Equal(t, 42*time.Second, application.NextRetryDelay())
	require.Equal(t, temporal.ApplicationErrorCategoryBenign, application.Category())
}

func TestSendEmail_SendErrors(t *testing.T) {
	t.Parallel()
	input := activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation}
	t.Run("throttled: retried after the provider's delay", func(t *testing.T) {
		t.Parallel()
		s := &fakeStores{claims: []email.Claim{{Status: email.StatusSending}}, sendErr: &email.SendError{
			Status: email.StatusPending, Code: "TooManyRequestsException", RetryAfter: 10 * time.Minute, Err: errors.New("to ada@example.com"),
		}}
		_, err := runActivity[activities.EmailResult](t, s, "SendEmail", input)
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, 10*time.Minute, application.NextRetryDelay())
		require.NotContains(t, err.Error(), "@")
		require.Equal(t, email.StatusPending, s.settled[0].Status)
	})
	t.Run("rejected permanently: failed, and no error", func(t *testing.T) {
		t.Parallel()
		s := &fakeStores{claims: []email.Claim{{Status: email.StatusSending}}, sendErr: &email.SendError{Status: email.StatusFailed, Code: "MessageRejected"}}
		out, err := runActivity[activities.EmailResult](t, s, "SendEmail", input)
		require.NoError(t, err)
		require.Equal(t, email.StatusFailed, out.Status)
		require.Equal(t, "MessageRejected", s.settled[0].ErrorCode)
	})
	t.Run("unknown: returns the grace time", func(t *testing.T) {
		t.Parallel()
		s := &fakeStores{
			claims:  []email.Claim{{Status: email.StatusSending}, {Status: email.StatusUnknown, RetryIn: 299500 * time.Millisecond}},
			sendErr: errors.New("connection reset"),
		}
		out, err := runActivity[activities.EmailResult](t, s, "SendEmail", input)
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusUnknown, RetrySeconds: 300}, out)
		require.Equal(t, email.StatusUnknown, s.settled[0].Status)
	})
}
