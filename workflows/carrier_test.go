package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"

	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestRecordShipment_PrintableCarrier(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{
		"Österreichische Post", "日本郵便", "DHL (Express), Köln", "A", "Почта", "J&T 🚚", "parcels@home", strings.Repeat("é", 64),
	} {
		for _, how := range []string{"signal", "update"} {
			t.Run(carrier+" by "+how, func(t *testing.T) {
				t.Parallel()
				e := newOrderEnv(t)
				sent := workflows.RecordShipment{Carrier: carrier, TrackingNumber: "1"}
				e.after(time.Hour, func() {
					if how == "signal" {
						e.signal(workflows.RecordShipmentMessage, sent)
						return
					}
					e.update(workflows.RecordShipmentMessage, sent)
				})
				e.run()
				require.Equal(t, order.StatusShipped, e.state().Status)
				require.Equal(t, carrier, e.state().Carrier)
			})
		}
	}
}

func TestRecordShipment_InvalidCarrier(t *testing.T) {
	t.Parallel()
	for name, carrier := range map[string]string{
		"65 characters": strings.Repeat("é", 65), "a line feed": "D\nHL", "a zero width space": "D\u200bHL", "an override": "D\u202eHL",
		"character 0": "D\x00HL", "a blank before it": " DHL", "a blank behind it": "DHL ", "blanks": "  ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newOrderEnv(t)
			bad := workflows.RecordShipment{Carrier: carrier, TrackingNumber: "1"}
			var refused *updateResult
			e.after(time.Hour, func() {
				e.signal(workflows.RecordShipmentMessage, bad)
				refused = e.update(workflows.RecordShipmentMessage, bad)
			})
			e.after(2*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
			e.run()
			require.ErrorContains(t, refused.rejected, "carrier: must be 1 to 64 printable characters")
			require.Equal(t, shipment.Carrier, e.state().Carrier)
		})
	}
}

// These runs are recorded with a change id that makes each such signal usable in a
// replay: see TestReplay_RecordedHistories. The histories unusable-carrier-* and
// waiting-for-shipment hold the same signals, recorded as unusable under the earlier
// rule.
func TestRecordShipment_CarrierOfAnyScriptOnServer(t *testing.T) {
	t.Parallel()
	post := workflows.RecordShipment{Carrier: "Österreichische Post", TrackingNumber: "1"}
	for name, do := range map[string]func(o *orderOnServer){
		"while it waits": func(o *orderOnServer) {
			o.awaitStatus(order.StatusFulfilling)
			o.signal(workflows.RecordShipmentMessage, post)
		},
		"by update": func(o *orderOnServer) {
			o.awaitStatus(order.StatusFulfilling)
			require.NoError(o.t, <-o.update(workflows.RecordShipmentMessage, post))
		},
		"twice beside a cancellation": func(o *orderOnServer) {
			o.awaitStatus(order.StatusFulfilling)
			o.stopWorker()
			o.signal(workflows.RecordShipmentMessage, post)
			o.signal(workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
			o.signal(workflows.RecordShipmentMessage, post)
			o.startWorker()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrderOnServer(t)
			o.startWorker()
			o.start()
			do(o)
			o.requireShippedWith(post.Carrier)
			o.record("printable-carrier-"+slug(name), "")
		})
	}
	t.Run("while it is on hold", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.stores.holdFor = time.Hour
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusOnHold)
		o.signal(workflows.RecordShipmentMessage, post)
		o.awaitSignalsTaken()
		o.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"})
		o.requireShippedWith(post.Carrier)
		o.record("printable-carrier-while-it-is-on-hold", "")
	})
}

func (o *orderOnServer) requireShippedWith(carrier string) {
	o.t.Helper()
	state, err := o.result()
	require.NoError(o.t, err)
	require.Equal(o.t, order.StatusShipped, state.Status)
	require.Equal(o.t, carrier, state.Carrier)
}

// awaitSignalsTaken waits until a workflow task has completed after every signal.
func (o *orderOnServer) awaitSignalsTaken() {
	o.t.Helper()
	o.eventually("the signals are taken", func() bool {
		waiting := false
		for _, event := range o.history("") {
			switch event.GetEventType() {
			case enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
				waiting = true
			case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
				waiting = false
			default:
			}
		}
		return !waiting
	})
}
