package emailevents_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/sessim"
	"orderflow/internal/email"
)

func TestConsumer_SettlesUnknownEmail(t *testing.T) {
	t.Parallel()
	for _, envelope := range []string{sessim.EnvelopeSNS, sessim.EnvelopeRaw, sessim.EnvelopeEventBridge} {
		t.Run(envelope, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sessim.Options{Envelope: envelope})
			r.sim.Duplicate(1)
			require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: sessim.FaultLost}))
			require.Equal(t, email.StatusUnknown, r.send("order-1"))
			r.consume()
			r.awaitMail("order-1", "sent delivered")
			require.Equal(t, email.StatusSent, r.claim("order-1").Status, "within its grace time the email was settled: no second one goes out")
			require.Len(t, r.sim.Messages(), 1)
			r.awaitEmptyQueue()
		})
	}
}

func TestConsumer_Outcomes(t *testing.T) {
	t.Parallel()
	for outcome, want := range map[string]struct {
		mail       string
		published  []string
		suppressed bool
	}{
		sessim.OutcomeDelayed:     {mail: "sent delivered"},
		sessim.OutcomeBounced:     {mail: "sent bounced", published: []string{email.TypeBounced}, suppressed: true},
		sessim.OutcomeListed:      {mail: "sent bounced", published: []string{email.TypeBounced}, suppressed: true},
		sessim.OutcomeSoftBounced: {mail: "sent bounced"},
		sessim.OutcomeComplained:  {mail: "sent complained", published: []string{email.TypeComplained}, suppressed: true},
		sessim.OutcomeRefused:     {mail: "sent rejected"},
	} {
		t.Run(outcome, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sessim.Options{})
			r.sim.Duplicate(2)
			require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: outcome}))
			require.Equal(t, email.StatusSent, r.send("order-1"))
			r.consume()
			r.awaitMail("order-1", want.mail)
			r.awaitEmptyQueue()
			require.Equal(t, want.published, r.published("order-1"))
			status := email.StatusSent
			if want.suppressed {
				status = email.StatusFailed
			}
			require.Equal(t, status, r.send("order-2"), "the next email to that address")
		})
	}
}

func TestConsumer_LeavesOtherMessages(t *testing.T) {
	t.Parallel()
	r := newRig(t, sessim.Options{})
	event := func(order string) string {
		return fmt.Sprintf(`{"eventType":"Send","mail":{"timestamp":"2025-03-01T12:00:00Z","messageId":"m-1",
			"tags":{"ses:configuration-set":["orders"],"order_id":[%q],"kind":["confirmation"],"attempt":["1"]}}}`, order)
	}
	staging := strings.Replace(event("order-1"), `["orders"]`, `["staging"]`, 1)
	for _, body := range []string{"hello", event("cart-1"), staging, event("order-404"), strings.Replace(event("order-1"), "Send", "Open", 1)} {
		require.NoError(t, r.sim.SendEvent(body))
	}
	r.consume()
	for result, want := range map[string]float64{"malformed": 1, "foreign": 2, "no-email": 1, "ignored": 1} {
		r.awaitEvents(result, want)
	}
	require.EventuallyWithT(t, func(t *assert.CollectT) { // an ignored message is counted before it is deleted
		visible, inFlight := r.sim.Queued(sessim.EventsQueue)
		require.Equal(t, []int{0, 4}, []int{visible, inFlight}, "hidden for a while, and not deleted")
	}, patience, tick)
	require.NoError(t, r.consumer.Check(t.Context()), "they are no outage")
	require.Equal(t, email.StatusSent, r.send("order-1"))
	r.awaitMail("order-1", "sent delivered")
}

func TestConsumer_WaitsOutOutages(t *testing.T) {
	t.Parallel()
	for name, outage := range map[string]func(*rig) (end func()){
		"of PostgreSQL": func(r *rig) func() { r.database.Stall(); return r.database.Resume },
		"of KurrentDB":  func(r *rig) func() { r.events.Stall(); return r.events.Resume },
		"of the rights to the queue": func(r *rig) func() {
			account := sessim.DefaultAccount()
			account.DeniedActions = []string{"ReceiveMessage"}
			r.sim.SetAccount(account)
			return func() { r.sim.SetAccount(sessim.DefaultAccount()) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sessim.Options{})
			for i := range 5 {
				require.NoError(t, r.sim.AddFault(sessim.Fault{Fault: sessim.OutcomeBounced}))
				require.Equal(t, email.StatusSent, r.sendTo(fmt.Sprintf("order-%d", i), fmt.Sprintf("a%d@example.com", i)))
			}
			end := outage(r)
			r.consume()
			require.EventuallyWithT(t, func(c *assert.CollectT) { require.Error(c, r.consumer.Check(t.Context())) }, patience, tick)
			end()
			r.expireVisibility()
			for i := range 5 {
				r.awaitMail(fmt.Sprintf("order-%d", i), "sent bounced")
				r.awaitPublished(fmt.Sprintf("order-%d", i), email.TypeBounced)
			}
			require.EventuallyWithT(t, func(c *assert.CollectT) { require.NoError(c, r.consumer.Check(t.Context())) }, patience, tick)
			dead, _ := r.sim.Queued(sessim.DeadQueue)
			require.Zero(t, dead, "an outage takes no event out of the queue")
		})
	}
}

const (
	patience = 90 * time.Second // generous: takes milliseconds on an idle machine
	tick     = 10 * time.Millisecond
)
