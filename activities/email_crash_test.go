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

// crashPoints returns the points at which an attempt can crash, with what the ledger and
// the provider hold then. A proxy stops the attempt at each point.
func crashPoints() []struct {
	name       string
	reachPoint func(r *emailRig)
	row        string
	mails      int
} {
	return []struct {
		name       string
		reachPoint func(r *emailRig)
		row        string
		mails      int
	}{
		{"after the claim, before the call", func(r *emailRig) {
			r.mailProxy.Stall(faultproxy.Upstream)
			r.eventually("the request has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Upstream) > 0 })
		}, "sending|1|0|0|-", 0},
		{"after the email was accepted, before the response", func(r *emailRig) {
			r.mailProxy.Stall(faultproxy.Downstream)
			r.eventually("the response has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Downstream) > 0 })
		}, "sending|1|0|0|-", 1},
		{"after the response, before it is recorded", func(r *emailRig) {
			r.mailProxy.Stall(faultproxy.Downstream)
			r.eventually("the response has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Downstream) > 0 })
			r.awaitRow("sending|1|0|0|-")
			r.dbProxy.Stall(faultproxy.Upstream)
			before := r.dbProxy.Received(faultproxy.Upstream)
			r.mailProxy.Resume()
			r.eventually("the record has reached the proxy", func() bool { return r.dbProxy.Received(faultproxy.Upstream) > before })
		}, "sending|1|0|0|-", 1},
		{"after it was recorded", func(r *emailRig) {
			r.mailProxy.Stall(faultproxy.Downstream)
			r.eventually("the response has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Downstream) > 0 })
			r.awaitRow("sending|1|0|0|-")
			r.dbProxy.StallResponse(func(response []byte) bool { return bytes.Contains(response, []byte("sent")) })
			r.mailProxy.Resume()
			r.awaitRow("sent|1|0|1|-")
		}, "sent|1|0|1|-", 1},
	}
}

func TestSendEmail_CrashIsUnknownAndFollowsPolicy(t *testing.T) {
	for _, point := range crashPoints() {
		for _, policy := range []email.Policy{email.PolicyResend, email.PolicyHold} {
			t.Run(fmt.Sprintf("%s, policy %s", point.name, policy), func(t *testing.T) {
				r := newEmailRig(t, attemptConfig{Policy: policy})
				c := r.startChild()
				point.reachPoint(r)
				require.NoError(t, c.cmd.Process.Kill())
				require.Error(t, c.cmd.Wait())
				r.mailProxy.Cut() // drop what the proxies hold, as when the process is gone
				r.dbProxy.Cut()
				r.mailProxy.Resume()
				r.dbProxy.Resume()
				require.Equal(t, point.row, r.row())
				require.Len(t, r.sim.Messages(), point.mails)
				if point.row == "sent|1|0|1|-" {
					r.requireSettled(t, 1)
					return
				}
				_, err := r.attempt()
				require.ErrorContains(t, err, "another attempt is sending it", "its lease has not ended")
				r.advanceAnHour()
				result, err := r.attempt()
				require.NoError(t, err)
				require.Equal(t, email.StatusUnknown, result.Status)
				require.Equal(t, policy == email.PolicyResend, result.RetrySeconds > 0)
				require.Equal(t, "unknown|1|1|0|-", r.row())
				r.advanceAnHour()
				if policy == email.PolicyHold {
					r.requireHeld(t, point.mails)
					_, err = r.ledger.ResolveEmail(t.Context(), email.Decision{
						OrderID: orderID, Kind: email.KindConfirmation, Resolution: email.ResolutionResend,
					})
					require.NoError(t, err)
				}
				result, err = r.attempt()
				require.NoError(t, err)
				require.Equal(t, activities.EmailResult{Status: email.StatusSent}, result)
				require.Equal(t, "sent|2|1|1|-", r.row())
				r.requireSettled(t, point.mails+1)
			})
		}
	}
}

// requireHeld retries several times and requires that nothing is sent.
func (r *emailRig) requireHeld(t *testing.T, mails int) {
	t.Helper()
	for range 3 {
		result, err := r.attempt()
		require.NoError(t, err)
		require.Equal(t, activities.EmailResult{Status: email.StatusUnknown}, result)
	}
	require.Len(t, r.sim.Messages(), mails)
}

func (r *emailRig) requireSettled(t *testing.T, mails int) {
	t.Helper()
	result, err := r.attempt()
	require.NoError(t, err)
	require.Equal(t, activities.EmailResult{Status: email.StatusSent}, result)
	require.Len(t, r.sim.Messages(), mails)
}

// A process that is stopped for longer than its lease resumes as if nothing had happened.
func TestSendEmail_StoppedBeyondLeaseOnlyAddsMessageID(t *testing.T) {
	for name, way := range map[string]faultproxy.Direction{
		"stopped with the response in transit": faultproxy.Downstream, "stopped with the request in transit": faultproxy.Upstream,
	} {
		t.Run(name, func(t *testing.T) {
			r := newEmailRig(t, attemptConfig{})
			r.mailProxy.Stall(way)
			stopped := r.startChild()
			r.eventually("it has reached the proxy", func() bool { return r.mailProxy.Received(way) > 0 })
			r.awaitRow("sending|1|0|0|-")
			require.NoError(t, stopped.cmd.Process.Signal(syscall.SIGSTOP))
			r.advanceAnHour()
			result, err := r.withoutProxies().attempt(t.Context())
			require.NoError(t, err)
			require.Positive(t, result.RetrySeconds)
			r.advanceAnHour()
			result, err = r.withoutProxies().attempt(t.Context())
			require.NoError(t, err)
			require.Equal(t, email.StatusSent, result.Status)

			require.NoError(t, stopped.cmd.Process.Signal(syscall.SIGCONT))
			r.mailProxy.Resume()
			require.NoError(t, stopped.cmd.Wait(), "%s", &stopped.out)
			require.JSONEq(t, `{"status":"sent"}`, stopped.out.String())
			require.Equal(t, "sent|2|1|2|-", r.row(), "its message id is kept with the other one")
			require.Len(t, r.sim.Messages(), 2, "a second one, because the first attempt was unknown")
			r.requireSettled(t, 2)
		})
	}
}

func TestSendEmail_StoppedBeyondTimeoutSendsNothing(t *testing.T) {
	const deadline = 5 * time.Second // the process is stopped before that
	r := newEmailRig(t, attemptConfig{MailTimeout: deadline, Policy: email.PolicyHold})
	r.mailProxy.Stall(faultproxy.Upstream)
	stopped := r.startChild()
	r.eventually("it has reached the proxy", func() bool { return r.mailProxy.Received(faultproxy.Upstream) > 0 })
	over := time.After(deadline + time.Second/2)
	require.NoError(t, stopped.cmd.Process.Signal(syscall.SIGSTOP))
	r.advanceAnHour()
	_, err := r.withoutProxies().attempt(t.Context())
	require.NoError(t, err)
	require.Equal(t, "unknown|1|1|0|-", r.row())
	<-over // the deadline uses the process's own clock
	require.NoError(t, stopped.cmd.Process.Signal(syscall.SIGCONT))
	require.NoError(t, stopped.cmd.Wait(), "%s", &stopped.out)
	require.Equal(t, "unknown|1|1|0|-", r.row(), "its attempt was counted before")
	r.mailProxy.Cut() // what it holds, as the network does for a process that is gone
	r.mailProxy.Resume()
	require.Empty(t, r.sim.Messages())
}
