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

func TestCarrierIsAnyPrintableName(t *testing.T) {
	t.Parallel()
	for _, carrier := range []string{
		"Österreichische Post", "日本郵便", "DHL (Express), Köln", "A", "Почта", "J&T 🚚", "parcels@home", strings.Repeat("é", 64),
	} {
		for _, how := range []string{"signal", "update"} {
			t.Run(carrier+" by "+how, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				sent := workflows.RecordShipment{Carrier: carrier, TrackingNumber: "1"}
				w.after(time.Hour, func() {
					if how == "signal" {
						w.signal(workflows.RecordShipmentMessage, sent)
						return
					}
					w.update(workflows.RecordShipmentMessage, sent)
				})
				w.run()
				require.Equal(t, order.StatusShipped, w.state().Status)
				require.Equal(t, carrier, w.state().Carrier)
			})
		}
	}
}

func TestCarrierIsRefusedIfItIsNoName(t *testing.T) {
	t.Parallel()
	for name, carrier := range map[string]string{
		"65 characters": strings.Repeat("é", 65), "a line feed": "D\nHL", "a zero width space": "D\u200bHL", "an override": "D\u202eHL",
		"character 0": "D\x00HL", "a blank before it": " DHL", "a blank behind it": "DHL ", "blanks": "  ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			bad := workflows.RecordShipment{Carrier: carrier, TrackingNumber: "1"}
			var refused *answer
			w.after(time.Hour, func() {
				w.signal(workflows.RecordShipmentMessage, bad)
				refused = w.update(workflows.RecordShipmentMessage, bad)
			})
			w.after(2*time.Hour, func() { w.signal(workflows.RecordShipmentMessage, shipment) })
			w.run()
			require.ErrorContains(t, refused.rejected, "carrier: must be 1 to 64 printable characters")
			require.Equal(t, shipment.Carrier, w.state().Carrier)
		})
	}
}

// What these runs are recorded with makes each such signal usable in its replay: see TestRecordedOrdersReplay. The same
// signals that were recorded as unusable, under the earlier rule, are the histories unusable-carrier-* and waiting-for-shipment.
func TestCarrierOfAnyScriptShipsOnAServer(t *testing.T) {
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

// awaitSignalsTaken waits until a workflow task has completed behind every signal.
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
