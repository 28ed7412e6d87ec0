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

// closedPort is an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	return "http://" + devservertest.Address(t)
}

// graceLeft is what is left of the five minutes at the least: the ledger's clock goes on while the attempt asks it.
const graceLeft = 4 * time.Minute

// What a provider or the network can do to one attempt: what the ledger says then, how long the mail is left alone, and
// how many went out. After that the provider is well again, and the mail goes out unless it never will.
func TestEachFaultLeavesTheLedgerSayingWhatIsKnown(t *testing.T) {
	for _, test := range []struct {
		fault       string
		row         string
		least, most time.Duration // before the next attempt, 0: there is none by itself
		mails       int
		after       string // the row when the provider is well, and an hour has passed
		total       int    // mails then
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
		{sessim.FaultSuppressed, "sent|1|0|1|-", 0, 0, 1, "sent|1|0|1|-", 1}, // accepted, which is all that is said
		{"nobody listens", "pending|1|0|0|dial", time.Second / 2, time.Second, 0, "sent|2|0|1|-", 1},
		{"no such host", "pending|1|0|0|", time.Second / 2, time.Second, 0, "sent|2|0|1|-", 1},
	} {
		t.Run(test.fault, func(t *testing.T) {
			r := newRoom(t, attemptConfig{})
			c := r.config
			if test.fault == sessim.FaultHang {
				c.MailTimeout = 5 * time.Second
			}
			switch test.fault {
			case "nobody listens":
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
			require.True(t, strings.HasPrefix(r.row(), test.row), "%s", r.row()) // a resolver may take its time, which is another code
			require.Len(t, r.sim.Messages(), test.mails)
			require.Empty(t, r.sim.Faults(), "asked once")

			r.elapse()
			_, err = r.attempt()
			require.NoError(t, err)
			require.Equal(t, test.after, r.row())
			require.Len(t, r.sim.Messages(), test.total)
		})
	}
}

func TestAMessageIDThatTheLedgerCouldNotTakeDownIsHandedBackAndRecordedLater(t *testing.T) {
	r := newRoom(t, attemptConfig{StoreTimeout: 3 * time.Second})
	r.mail.Stall(faultproxy.Downstream)
	type answer struct {
		result activities.EmailResult
		err    error
	}
	done := make(chan answer, 1)
	go func() {
		result, err := r.attempt()
		done <- answer{result, err}
	}()
	r.eventually("the answer has reached the proxy", func() bool { return r.mail.Received(faultproxy.Downstream) > 0 })
	r.base.Stall(faultproxy.Upstream) // the database is out of reach
	r.mail.Resume()
	got := <-done
	require.NoError(t, got.err, "an error would forget it")
	require.Equal(t, r.sim.Messages()[0].MessageID, got.result.Unsettled.MessageID)
	require.Equal(t, "sending|1|0|0|-", r.row())

	r.base.Resume()
	status, err := r.ledger.SettleEmail(t.Context(), *got.result.Unsettled)
	require.NoError(t, err)
	require.Equal(t, email.StatusSent, status)
	r.requireSettled(t, 1)
}

func TestAnErasedPersonsMailDoesNotGoOut(t *testing.T) {
	t.Run("while it waits", func(t *testing.T) {
		r := newRoom(t, attemptConfig{})
		require.NoError(t, r.ledger.EraseOrder(t.Context(), orderID))
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusSuppressed}, result)
		require.Empty(t, r.sim.Messages())
	})
	t.Run("when its outcome is unknown", func(t *testing.T) {
		r := newRoom(t, attemptConfig{})
		require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: sessim.FaultError}))
		_, err := r.attempt()
		require.NoError(t, err)
		require.NoError(t, r.ledger.EraseOrder(t.Context(), orderID))
		r.elapse()
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusUnknown}, result)
		require.Empty(t, r.sim.Messages())
	})
}

// outage runs SendEmail, retried as it asks for, against a provider that is down for ten minutes of fake time. It gives when
// each attempt was made: the last one after the outage.
func outage(r *room, down, up *ses.Mailer) (made []time.Duration) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(waitLong) // it is real time, and each attempt takes some
	begun := env.Now()
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.SendEmailInput) (activities.EmailResult, error) {
		now, mailer := env.Now().Sub(begun), down
		if now >= 10*time.Minute {
			mailer = up
		}
		made = append(made, now)
		return (&activities.Activities{Emails: r.ledger, Mailer: mailer, Meter: noMeter{}}).SendEmail(ctx, in)
	}, activity.RegisterOptions{Name: "SendEmail"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: 30 * time.Second, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1000}, // no limit would be 10 here
		})
		return workflow.ExecuteActivity(ctx, "SendEmail", activities.SendEmailInput{OrderID: orderID, Kind: email.KindConfirmation}).Get(ctx, nil)
	})
	require.NoError(r.t, env.GetWorkflowError())
	return made
}

func TestAnOutageOfTenMinutesIsNoHotLoopAndEndsSoonAfter(t *testing.T) {
	for fault, bound := range map[string]struct {
		least, most int           // attempts while the provider is down
		late        time.Duration // after the outage
	}{
		"nobody listens":      {8, 11, 5 * time.Minute},
		sessim.FaultThrottled: {8, 11, 5 * time.Minute},
		sessim.FaultQuota:     {1, 1, 13 * time.Minute},
		sessim.FaultPaused:    {1, 1, 5 * time.Minute},
		sessim.FaultSuspended: {1, 1, 5 * time.Minute},
	} {
		t.Run(fault, func(t *testing.T) {
			r := newRoom(t, attemptConfig{})
			up, down := r.config.openMailer(t.Context()), r.config
			if fault == "nobody listens" {
				down.MailURL = closedPort(t)
			} else {
				sick, err := sessim.Start(sessim.Options{Listen: "127.0.0.1:0"})
				require.NoError(t, err)
				t.Cleanup(func() { _ = sick.Stop(gone()) })
				require.NoError(t, sick.AddFault(sessim.Fault{Fault: fault, Count: 1000}))
				down.MailURL = sick.URL()
			}
			made := outage(r, down.openMailer(t.Context()), up)
			last := made[len(made)-1]
			require.GreaterOrEqual(t, len(made)-1, bound.least, "%v", made)
			require.LessOrEqual(t, len(made)-1, bound.most, "%v", made)
			require.LessOrEqual(t, last-10*time.Minute, bound.late, "%v", made)
			t.Logf("%d attempts in 10 minutes, sent %s after", len(made)-1, (last - 10*time.Minute).Round(time.Second))
			r.requireSettled(t, 1)
		})
	}
}
