package activities_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/activities"
	"orderflow/dev/faultproxy"
	"orderflow/internal/email"
)

// moments are where an attempt can die, each with what the ledger and the provider hold then. The way there stops at a proxy.
func moments() []struct {
	name  string
	reach func(r *room)
	row   string
	mails int
} {
	return []struct {
		name  string
		reach func(r *room)
		row   string
		mails int
	}{
		{"after the claim, before the call", func(r *room) {
			r.mail.Stall(faultproxy.Upstream)
			r.eventually("the request has reached the proxy", func() bool { return r.mail.Received(faultproxy.Upstream) > 0 })
		}, "sending|1|0|0|-", 0},
		{"after the mail was accepted, before the answer", func(r *room) {
			r.mail.Stall(faultproxy.Downstream)
			r.eventually("the answer has reached the proxy", func() bool { return r.mail.Received(faultproxy.Downstream) > 0 })
		}, "sending|1|0|0|-", 1},
		{"after the answer, before it is recorded", func(r *room) {
			r.mail.Stall(faultproxy.Downstream)
			r.eventually("the answer has reached the proxy", func() bool { return r.mail.Received(faultproxy.Downstream) > 0 })
			r.awaitRow("sending|1|0|0|-")
			r.base.Stall(faultproxy.Upstream)
			before := r.base.Received(faultproxy.Upstream)
			r.mail.Resume()
			r.eventually("the record has reached the proxy", func() bool { return r.base.Received(faultproxy.Upstream) > before })
		}, "sending|1|0|0|-", 1},
		{"after it was recorded", func(r *room) {
			r.mail.Stall(faultproxy.Downstream)
			r.eventually("the answer has reached the proxy", func() bool { return r.mail.Received(faultproxy.Downstream) > 0 })
			r.awaitRow("sending|1|0|0|-")
			r.base.StallResponse(func(answer []byte) bool { return bytes.Contains(answer, []byte("sent")) })
			r.mail.Resume()
			r.awaitRow("sent|1|0|1|-")
		}, "sent|1|0|1|-", 1},
	}
}

func TestAnAttemptThatDiesIsUnknownAndTheMailGoesByThePolicy(t *testing.T) {
	for _, moment := range moments() {
		for _, policy := range []email.Policy{email.PolicyResend, email.PolicyHold} {
			t.Run(fmt.Sprintf("%s, policy %s", moment.name, policy), func(t *testing.T) {
				r := newRoom(t, attemptConfig{Policy: policy})
				c := r.startChild()
				moment.reach(r)
				require.NoError(t, c.cmd.Process.Kill())
				require.Error(t, c.cmd.Wait())
				r.mail.Cut() // what was held dies with its sender
				r.base.Cut()
				r.mail.Resume()
				r.base.Resume()
				require.Equal(t, moment.row, r.row())
				require.Len(t, r.sim.Messages(), moment.mails)
				if moment.row == "sent|1|0|1|-" {
					r.requireSettled(t, 1)
					return
				}
				_, err := r.attempt()
				require.ErrorContains(t, err, "another attempt is sending it", "its lease goes on")
				r.elapse()
				result, err := r.attempt()
				require.NoError(t, err)
				require.Equal(t, email.StatusUnknown, result.Status)
				require.Equal(t, policy == email.PolicyResend, result.RetrySeconds > 0)
				require.Equal(t, "unknown|1|1|0|-", r.row())
				r.elapse()
				if policy == email.PolicyHold {
					r.requireHeld(t, moment.mails)
					_, err = r.ledger.ResolveEmail(t.Context(), email.Decision{
						OrderID: orderID, Kind: email.KindConfirmation, Resolution: email.ResolutionResend,
					})
					require.NoError(t, err)
				}
				result, err = r.attempt()
				require.NoError(t, err)
				require.Equal(t, activities.EmailResult{Status: email.StatusSent}, result)
				require.Equal(t, "sent|2|1|1|-", r.row())
				r.requireSettled(t, moment.mails+1)
			})
		}
	}
}

// requireHeld asks again and again, and nothing goes out.
func (r *room) requireHeld(t *testing.T, mails int) {
	t.Helper()
	for range 3 {
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusUnknown}, result)
	}
	require.Len(t, r.sim.Messages(), mails)
}

func (r *room) requireSettled(t *testing.T, mails int) {
	t.Helper()
	result, err := r.attempt()
	require.NoError(t, err)
	require.Equal(t, activities.EmailResult{Status: email.StatusSent}, result)
	require.Len(t, r.sim.Messages(), mails)
}

// A process that is stopped for longer than its lease comes back and goes on as if nothing had happened.
func TestAnAttemptThatOversleptItsLeaseChangesNothingButAddsItsMessageID(t *testing.T) {
	for name, way := range map[string]faultproxy.Direction{
		"stopped with the answer on its way": faultproxy.Downstream, "stopped with the request on its way": faultproxy.Upstream,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom(t, attemptConfig{})
			r.mail.Stall(way)
			zombie := r.startChild()
			r.eventually("it has reached the proxy", func() bool { return r.mail.Received(way) > 0 })
			r.awaitRow("sending|1|0|0|-")
			require.NoError(t, zombie.cmd.Process.Signal(syscall.SIGSTOP))
			r.elapse()
			result, err := r.around().attempt(t.Context())
			require.NoError(t, err)
			require.Positive(t, result.RetrySeconds)
			r.elapse()
			result, err = r.around().attempt(t.Context())
			require.NoError(t, err)
			require.Equal(t, email.StatusSent, result.Status)

			require.NoError(t, zombie.cmd.Process.Signal(syscall.SIGCONT))
			r.mail.Resume()
			require.NoError(t, zombie.cmd.Wait(), "%s", &zombie.out)
			require.JSONEq(t, `{"status":"sent"}`, zombie.out.String())
			require.Equal(t, "sent|2|1|2|-", r.row(), "its message id is kept beside the other")
			require.Len(t, r.sim.Messages(), 2, "one more than the first, for the attempt that is unknown")
			r.requireSettled(t, 2)
		})
	}
}

func TestAnAttemptThatOversleptItsDeadlineSendsNothing(t *testing.T) {
	const deadline = 5 * time.Second // it is stopped before
	r := newRoom(t, attemptConfig{MailTimeout: deadline, Policy: email.PolicyHold})
	r.mail.Stall(faultproxy.Upstream)
	zombie := r.startChild()
	r.eventually("it has reached the proxy", func() bool { return r.mail.Received(faultproxy.Upstream) > 0 })
	over := time.After(deadline + time.Second/2)
	require.NoError(t, zombie.cmd.Process.Signal(syscall.SIGSTOP))
	r.elapse()
	_, err := r.around().attempt(t.Context())
	require.NoError(t, err)
	require.Equal(t, "unknown|1|1|0|-", r.row())
	<-over // by its own clock, which nobody can turn
	require.NoError(t, zombie.cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, zombie.cmd.Wait(), "%s", &zombie.out)
	require.Equal(t, "unknown|1|1|0|-", r.row(), "its attempt was counted before")
	r.mail.Resume()
	require.Empty(t, r.sim.Messages())
}
