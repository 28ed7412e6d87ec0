package activities_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/dev/sessim"
	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// closedPort returns an address that refuses connections.
func closedPort(t *testing.T) string {
	t.Helper()
	return "http://" + devservertest.Address(t)
}

// graceLeft is the least that remains of the five minutes: the ledger's clock continues
// while the attempt queries it.
const graceLeft = 4 * time.Minute

// The faults of the provider or the network that one attempt can meet: the ledger's row
// afterwards, the delay before the next attempt, and the number of emails sent. Then the
// provider recovers, and the email is sent unless it has failed permanently.
func TestSendEmail_ProviderFaults(t *testing.T) {
	for _, test := range []struct {
		fault       string
		row         string
		least, most time.Duration // before the next attempt; 0: there is none
		mails       int
		after       string // the row after the provider has recovered and an hour has passed
		total       int    // emails then
	}{
		{sessim.FaultThrottled, "pending|1|0|0|TooManyRequestsException", 5 * time.Second, 8 * time.Second, 0, "sent|2|0|1|-", 1},
		{sessim.FaultQuota, "pending|1|0|0|TooManyRequestsException", 15 * time.Minute, 23 * time.Minute, 0, "sent|2|0|1|-", 1},
		{sessim.FaultPaused, "pending|1|0|0|SendingPausedException", 10 * time.Minute, 15 * time.Minute, 0, "sent|2|0|1|-", 1},
		{sessim.FaultSuspended, "pending|1|0|0|AccountSuspendedException", 10 * time.Minute, 15 * time.Minute, 0, "sent|2|0|1|-", 1},
		{sessim.FaultStopped, "pending|1|0|0|MessageRejected", 10 * time.Minute, 15 * time.Minute, 0, "sent|2|0|1|-", 1},
		{sessim.FaultNoSet, "pending|1|0|0|BadRequestException", 10 * time.Minute, 15 * time.Minute, 0, "sent|2|0|1|-", 1},
		{sessim.FaultBusy, "pending|1|0|0|ServiceUnavailable", 5 * time.Second, 8 * time.Second, 0, "sent|2|0|1|-", 1},
		{sessim.FaultRejected, "failed|1|0|0|MessageRejected", 0, 0, 0, "failed|1|0|0|MessageRejected", 0},
		{sessim.FaultError, "unknown|1|1|0|InternalServiceErrorException", graceLeft, 5 * time.Minute, 0, "sent|2|1|1|-", 1},
		{sessim.FaultHang, "unknown|1|1|0|timeout", graceLeft, 5 * time.Minute, 0, "sent|2|1|1|-", 1},
		{sessim.FaultLost, "unknown|1|1|0|connection", graceLeft, 5 * time.Minute, 1, "sent|2|1|1|-", 2},
		{sessim.FaultSuppressed, "sent|1|0|1|-", 0, 0, 1, "sent|1|0|1|-", 1}, // accepted: SES reports no more than that
		{"connection refused", "pending|1|0|0|dial", time.Second / 2, time.Second, 0, "sent|2|0|1|-", 1},
		{"no such host", "pending|1|0|0|", time.Second / 2, time.Second, 0, "sent|2|0|1|-", 1},
	} {
		t.Run(test.fault, func(t *testing.T) {
			r := newEmailRig(t, attemptConfig{})
			c := r.config
			if test.fault == sessim.FaultHang {
				c.MailTimeout = 5 * time.Second
			}
			switch test.fault {
			case "connection refused":
				c.MailURL = closedPort(t)
			case "no such host":
				c.MailURL = "http://ses.invalid"
			default:
				require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: test.fault}))
			}
			result, err := c.attempt(t.Context())
			wait := time.Duration(result.RetrySeconds) * time.Second
			var application *temporal.ApplicationError
			if errors.As(err, &application) {
				require.False(t, application.NonRetryable())
				require.NotContains(t, application.Error(), "@")
				wait = application.NextRetryDelay()
			}
			require.GreaterOrEqual(t, wait, test.least)
			require.LessOrEqual(t, wait, test.most)
			require.True(t, strings.HasPrefix(r.row(), test.row), "%s", r.row()) // a slow resolver results in another code
			require.Len(t, r.sim.Messages(), test.mails)
			require.Empty(t, r.sim.Faults(), "one request was made")

			r.advanceAnHour()
			_, err = r.attempt()
			require.NoError(t, err)
			require.Equal(t, test.after, r.row())
			require.Len(t, r.sim.Messages(), test.total)
		})
	}
}

func TestSendEmail_MessageIDIsReturnedAndSettledLater(t *testing.T) {
	r := newEmailRig(t, attemptConfig{StoreTimeout: 3 * time.Second})
	r.mailProxy.Stall(faultproxy.Downstream)
	type attemptResult struct {
		result activities.EmailResult
		err    error
	}
	done := make(chan attemptResult, 1)
	go func() {
		result, err := r.attempt()
		done <- attemptResult{result, err}
	}()
	r.eventually("the response has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Downstream) > 0 })
	r.dbProxy.Stall(faultproxy.Upstream) // the database is unreachable
	r.mailProxy.Resume()
	got := <-done
	require.NoError(t, got.err, "an error would lose it")
	require.Equal(t, r.sim.Messages()[0].MessageID, got.result.Unsettled.MessageID)
	require.Equal(t, "sending|1|0|0|-", r.row())

	r.dbProxy.Resume()
	status, err := r.ledger.SettleEmail(t.Context(), *got.result.Unsettled)
	require.NoError(t, err)
	require.Equal(t, email.StatusSent, status)
	r.requireSettled(t, 1)
}

func TestSendEmail_ErasedOrder(t *testing.T) {
	t.Run("while it waits", func(t *testing.T) {
		r := newEmailRig(t, attemptConfig{})
		require.NoError(t, r.fulfillments.EraseOrder(t.Context(), orderID))
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusSuppressed}, result)
		require.Empty(t, r.sim.Messages())
	})
	t.Run("when its outcome is unknown", func(t *testing.T) {
		r := newEmailRig(t, attemptConfig{})
		require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: sessim.FaultError}))
		_, err := r.attempt()
		require.NoError(t, err)
		require.NoError(t, r.fulfillments.EraseOrder(t.Context(), orderID))
		r.advanceAnHour()
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusUnknown}, result)
		require.Empty(t, r.sim.Messages())
	})
}

// runThroughOutage runs SendEmail, retried after the delays it asks for, against a
// provider that is down for ten minutes of fake time. It returns the time of each
// attempt; the last one is after the outage.
func runThroughOutage(r *emailRig, down, up *ses.Mailer) (made []time.Duration) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(waitLong) // real time, and each attempt takes some
	begun := env.Now()
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.SendEmailInput) (activities.EmailResult, error) {
		now, mailer := env.Now().Sub(begun), down
		if now >= 10*time.Minute {
			mailer = up
		}
		made = append(made, now)
		return (&activities.Activities{Emails: r.ledger, Mailer: mailer, Meter: discardMeter{}}).SendEmail(ctx, in)
	}, activity.RegisterOptions{Name: "SendEmail"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: 30 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1000}, // the test environment limits unlimited retries to 10
		})
		return workflow.ExecuteActivity(ctx, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation}).Get(ctx, nil)
	})
	require.NoError(r.t, env.GetWorkflowError())
	return made
}

func TestSendEmail_OutageBacksOff(t *testing.T) {
	for fault, bound := range map[string]struct {
		least, most int           // attempts while the provider is down
		late        time.Duration // after the outage
	}{
		"connection refused":  {8, 11, 5 * time.Minute},
		sessim.FaultThrottled: {8, 11, 5 * time.Minute},
		sessim.FaultQuota:     {1, 1, 13 * time.Minute},
		sessim.FaultPaused:    {1, 1, 5 * time.Minute},
		sessim.FaultSuspended: {1, 1, 5 * time.Minute},
	} {
		t.Run(fault, func(t *testing.T) {
			r := newEmailRig(t, attemptConfig{})
			up, down := r.config.openMailer(t.Context()), r.config
			if fault == "connection refused" {
				down.MailURL = closedPort(t)
			} else {
				failing, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
				require.NoError(t, err)
				t.Cleanup(func() { _ = failing.Stop(canceledContext()) })
				require.NoError(t, failing.AddFault(sessim.Fault{Fault: fault, Count: 1000}))
				down.MailURL = failing.URL()
			}
			made := runThroughOutage(r, down.openMailer(t.Context()), up)
			last := made[len(made)-1]
			require.GreaterOrEqual(t, len(made)-1, bound.least, "%v", made)
			require.LessOrEqual(t, len(made)-1, bound.most, "%v", made)
			require.LessOrEqual(t, last-10*time.Minute, bound.late, "%v", made)
			t.Logf("%d attempts in 10 minutes, sent %s after", len(made)-1, (last - 10*time.Minute).Round(time.Second))
			r.requireSettled(t, 1)
		})
	}
}
