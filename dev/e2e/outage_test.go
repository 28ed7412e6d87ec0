package e2e_test

import (
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/internal/order"
)

// redirected returns a URL with another host and port.
func redirected(t *testing.T, address, host string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	parsed.Host = host
	return parsed.String()
}

// An order whose local attempt meets an outage waits in a regular activity, which
// operators can see, reset and pause.
func TestOutage_RegularActivityWaits(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*faultproxy.Proxy){
		"of a store that refuses connections": func(p *faultproxy.Proxy) { p.Refuse() },
		"of a store that does not respond":    func(p *faultproxy.Proxy) { p.Stall() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shared := sharedStack(t)
			target, err := url.Parse(shared.PostgresURL)
			require.NoError(t, err)
			proxy, err := faultproxy.StartAt(devservertest.Address(t), target.Host)
			require.NoError(t, err)
			t.Cleanup(func() { _ = proxy.Close() })
			proxied := *shared
			proxied.PostgresURL = redirected(t, shared.PostgresURL, proxy.Addr())
			s := newStackClientFor(t, shared)
			s.stack = &proxied
			l := steppedWorkerOn(s, attemptsAsShipped).start()
			l.gate.open()
			fault(proxy)
			o := l.begin(orderSpec{})
			o.awaitPending("StartFulfillment")
			require.Equal(t, order.StatusPending, o.awaitStatus(o.id, order.StatusPending).Status)
			proxy.Resume()
			o.awaitMail(o.id, order.StatusFulfilling, "sent")
			require.Equal(t, []string{"credit-account-opened", "credit-reserved"}, l.credit(o.customer))
			require.Equal(t, []string{"order-approved"}, l.versions(o.id))
		})
	}
}

// awaitPending waits until an activity of the order is pending.
func (o *orderUnderTest) awaitPending(activity string) {
	o.t.Helper()
	require.Eventually(o.t, func() bool {
		return slices.ContainsFunc(o.describe(o.id).GetPendingActivities(), func(pending *workflowpb.PendingActivityInfo) bool {
			return pending.GetActivityType().GetName() == activity
		})
	}, patience, 50*millisecond)
}
