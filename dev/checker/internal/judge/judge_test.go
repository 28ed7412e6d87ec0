package judge_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/checker/internal/facts"
	"orderflow/dev/checker/internal/judge"
	"orderflow/internal/order"
)

func everything() []judge.Invariant { return judge.All(judge.Scope{Publisher: true, View: true}) }

// pipeline leaves out the invariants of publisher and projector: a fault in a row is a
// fault in its events too.
func pipeline() []judge.Invariant { return judge.All(judge.Scope{}) }

func TestJudge_CorrectFactsHaveNoViolation(t *testing.T) {
	t.Parallel()
	require.Empty(t, judge.Judge(newFactSet().Facts, everything()))
}

func TestJudge_PartOfAnOrder(t *testing.T) {
	t.Parallel()
	w := newFactSet()
	w.part(fulfilling, 1)
	require.Empty(t, judge.Judge(w.Facts, pipeline()))
}

// wrong is one fault in a new factSet and the invariants that must report it.
type wrong struct {
	name  string
	spoil func(w factSet)
	want  []string
}

func TestInvariants_ReportViolations(t *testing.T) {
	t.Parallel()
	complained := map[string]bool{}
	try := func(invariants []judge.Invariant, wrongs ...wrong) {
		for _, test := range wrongs {
			for _, name := range test.want {
				complained[name] = true
			}
			t.Run(test.name, func(t *testing.T) {
				t.Parallel()
				test.check(t, invariants)
			})
		}
	}
	try(pipeline(), slices.Concat(wrongOrders(), wrongRows(), wrongCredit(), wrongMails(), wrongStores())...)
	try(everything(), slices.Concat(wrongPublished(), wrongViews())...)
	for _, invariant := range everything() {
		require.True(t, complained[invariant.Name], "%s is never seen to complain", invariant.Name)
	}
}

func (test wrong) check(t *testing.T, invariants []judge.Invariant) {
	t.Helper()
	w := newFactSet()
	test.spoil(w)
	violations := judge.Judge(w.Facts, invariants)
	var got []string
	for _, v := range violations {
		got = append(got, v.Invariant)
		require.NotEmpty(t, v.Detail)
		require.NotContains(t, v.Detail, "@example.com")
	}
	require.Equal(t, test.want, slices.Compact(got), "violations: %v", violations)
}

func wrongOrders() []wrong {
	return []wrong{
		{"an order that was never started", func(w factSet) {
			w.place("order-lost")
		}, []string{"order.one-workflow"}},
		{"an order that was started twice", func(w factSet) {
			w.run(rejected, facts.RunCompleted, "rejected", order.StatusRejected, order.ReasonInsufficientCredit)
			w.Order(rejected).Runs[1].Chain = "another"
		}, []string{"order.one-workflow"}},
		{"a workflow of another event", func(w factSet) {
			w.Order(shipped).Runs[0].SourceEventID = "another"
		}, []string{"order.source"}},
		{"a workflow of another total", func(w factSet) {
			w.Order(shipped).Runs[0].Input.Total = money(1)
		}, []string{"order.source"}},
		{"a workflow of an order that cannot be read", func(w factSet) {
			w.run(invalid, facts.RunOpen, "fulfilling", "", "")
			w.row(invalid, lines, "", order.StatusFulfilling)
			w.mail(invalid, "confirmation")
		}, []string{"order.never-placed"}},
		{"a good order that is parked", func(w factSet) {
			w.Order(shipped).Parked = []facts.Parked{{Reason: "DUPLICATE_ORDER", At: noon}}
		}, []string{"order.parked"}},
		{"a bad order that is not parked", func(w factSet) {
			w.Order(invalid).Parked = nil
		}, []string{"order.parked"}},
		{"a bad order that is not parked because the server left it out", func(w factSet) {
			w.Order(invalid).Parked, w.Order(invalid).Placed[0].Unlinked = nil, true
		}, nil},
		{"a bad order that is parked without a reason", func(w factSet) {
			w.Order(invalid).Parked[0].Reason = ""
		}, []string{"order.parked"}},
		{"a second order on the stream that is not parked", func(w factSet) {
			o := w.Order(shipped)
			o.Placed = append(o.Placed, facts.Placed{Revision: 1, EventID: "another", CustomerID: customer, Total: hundred})
		}, []string{"order.parked"}},
		{"a cancellation that is parked long after its order was placed", func(w factSet) {
			w.Order(cancelled).Parked = []facts.Parked{{Revision: 1, Reason: "ORDER_UNKNOWN", At: noon.Add(time.Minute)}}
		}, []string{"order.parked"}},
		{"a cancellation of nothing that is not parked", func(w factSet) {
			w.Order("order-nothing").Cancellations = []facts.Cancellation{{EventID: "cancellation"}}
		}, []string{"order.parked"}},
		{"an order that is left on its way", func(w factSet) {
			w.place("order-stuck")
			w.run("order-stuck", facts.RunOpen, "pending", "", "")
		}, []string{"order.at-rest"}},
		{"a cancellation that had no effect", func(w factSet) {
			w.Order(fulfilling).Cancellations = []facts.Cancellation{{Revision: 1, EventID: "cancellation"}}
		}, []string{"order.cancellation"}},
		{"a shipment by an event that had no effect", func(w factSet) {
			w.Order(fulfilling).Instructions = []facts.Instruction{{Type: order.TypeShipmentRecorded, Revision: 1}}
		}, []string{"order.instruction"}},
		{"a good shipment that is parked", func(w factSet) {
			w.Order(shipped).Instructions = []facts.Instruction{{Type: order.TypeShipmentRecorded, Revision: 1}}
			w.Order(shipped).Parked = []facts.Parked{{Revision: 1, Reason: "REFUSED: by Temporal", At: noon}}
		}, []string{"order.parked"}},
		{"a decision that cannot be decoded and is not parked", func(w factSet) {
			w.Order(shipped).Instructions = []facts.Instruction{{Type: order.TypeCreditApproved, Decision: true, Fault: "by: must not be empty"}}
		}, []string{"order.parked"}},
		{"an approval that the end of the hold beat", func(w factSet) {
			w.endHold(rejected, order.ReasonHoldExpired, facts.Turn{Timer: true, Messages: []string{facts.MessageApprove}})
		}, []string{"order.messages"}},
		{"a refusal that the end of the hold beat", func(w factSet) {
			w.endHold(rejected, order.ReasonHoldExpired, facts.Turn{Timer: true, Messages: []string{facts.MessageDecline}})
		}, []string{"order.messages"}},
		{"a refusal that an approval beat", func(w factSet) {
			w.Order(shipped).Runs[0].HoldEnd = &facts.Turn{Messages: []string{facts.MessageDecline, facts.MessageApprove}}
		}, []string{"order.messages"}},
		{"a cancellation that a refusal beat", func(w factSet) {
			w.endHold(rejected, order.ReasonCreditDeclined, facts.Turn{Messages: []string{facts.MessageDecline, facts.MessageCancel}})
		}, []string{"order.messages"}},
		{"a shipment that a cancellation beat", func(w factSet) {
			w.Order(cancelled).Runs[0].Shipping = &facts.Turn{Messages: []string{facts.MessageCancel, facts.MessageShip}}
		}, []string{"order.messages"}},
		{"a payment that had no effect", func(w factSet) {
			w.Order(fulfilling).Payments = []facts.Payment{{Revision: 1, EventID: "paid", Amount: hundred}}
		}, []string{"order.payment"}},
		{"a payment that is too small and had an effect", func(w factSet) {
			w.Order(paid).Payments[0].Amount = money(99_99)
		}, []string{"order.payment"}},
		{"a part that had the effect of a whole", func(w factSet) {
			o := w.Order(paid)
			o.Payments[0].PaymentID, o.Payments[0].Amount = "p-1", money(50_00)
			o.Payments = append(o.Payments, o.Payments[0]) // it counts once
			o.Payments[1].Revision, o.Payments[1].EventID = 2, "again"
		}, []string{"order.payment"}},
		{"parts that had no effect", func(w factSet) {
			w.Order(fulfilling).Payments = []facts.Payment{
				{Revision: 1, EventID: "part-1", Amount: money(50_00)}, {Revision: 2, EventID: "part-2", Amount: money(50_00)},
			}
		}, []string{"order.payment"}},
		{"a release that says that less was paid", func(w factSet) {
			w.Order(paid).Credit[1].Paid, w.Order(paid).Credit[1].Overpaid = money(99_99), money(0)
		}, []string{"order.payment"}},
		{"a release that forgets what was overpaid", func(w factSet) {
			o := w.Order(paid)
			o.Payments[0].Amount, o.Credit[1].Paid, o.Credit[1].Overpaid = money(120_00), money(120_00), money(0)
		}, []string{"order.payment"}},
		{"a good payment that is parked", func(w factSet) {
			w.Order(paid).Parked = []facts.Parked{{Revision: 1, Reason: "ORDER_UNKNOWN", At: noon.Add(time.Minute)}}
		}, []string{"order.parked"}},
		{"a payment that is settled again, whose first settlement began after KurrentDB was restored", func(w factSet) {
			o := w.Order(paid)
			o.Settlements = append(o.Settlements, o.Settlements[0])
			o.Settlements[0].Began, o.Settlements[0].Closed = noon.Add(time.Minute), noon.Add(2*time.Minute)
			o.Settlements[1].Chain, o.Settlements[1].Began, o.Settlements[1].Closed = "2", noon.Add(time.Hour), noon.Add(time.Hour)
			w.Rewound = []facts.Span{{From: noon.Add(-time.Hour), To: noon}}
		}, []string{"order.one-settlement"}},
		{"a payment that is settled twice", func(w factSet) {
			o := w.Order(paid)
			o.Settlements = append(o.Settlements, o.Settlements[0])
			o.Settlements[1].Chain = "2"
		}, []string{"order.one-settlement"}},
	}
}

func wrongRows() []wrong {
	return []wrong{
		{"a parcel of more than was ordered", func(w factSet) { w.part(fulfilling, 3) }, []string{"row.parcels"}},
		{"an order that has left as a whole and is not shipped", func(w factSet) { w.part(fulfilling, 2) }, []string{"row.parcels"}},
		{"a parcel that was recorded twice", func(w factSet) {
			w.part(fulfilling, 1)
			row := w.Order(fulfilling).Row
			row.Quantities = []int{3}
			w.part(fulfilling, 1)
			row.Quantities = []int{3}
			row.Parcels[1].Shipment = row.Parcels[0].Shipment
		}, []string{"row.parcels"}},
		{"a parcel without an email", func(w factSet) {
			w.part(fulfilling, 1)
			o := w.Order(fulfilling)
			o.Mails, o.Messages = o.Mails[:1], o.Messages[:1]
		}, []string{"mail.due"}},
		{"a parcel under another type", func(w factSet) {
			w.part(fulfilling, 1)
			w.Order(fulfilling).Versions[1].Type = "fulfillment-changed"
		}, []string{"row.transition"}},
		{"a closed order without a row", func(w factSet) {
			o := w.Order(undone)
			o.Row, o.Versions = nil, nil
		}, []string{"row.exists"}},
		{"a fulfilment without a row", func(w factSet) {
			o := w.Order(fulfilling)
			o.Row, o.Versions, o.Mails, o.Messages = nil, nil, nil, nil
		}, []string{"row.exists"}},
		{"a row of an order on hold", func(w factSet) {
			w.row(held, lines, "", order.StatusFulfilling)
			w.mail(held, "confirmation")
		}, []string{"row.exists"}},
		{"a repaired order without a row", func(w factSet) {
			o := w.Order(undone)
			o.Row, o.Versions = nil, nil
			o.Runs[0].Status, o.Runs[0].Outcome = facts.RunTerminated, nil
			o.Repairs = []facts.Run{{Status: facts.RunCompleted}}
		}, []string{"row.exists"}},
		{"a row of another total", func(w factSet) {
			w.Order(shipped).Row.Total = money(1)
		}, []string{"row.order"}},
		{"a row of another event", func(w factSet) {
			w.Order(shipped).Row.SourceEventID = "another"
		}, []string{"row.order"}},
		{"a row without its lines", func(w factSet) {
			w.Order(shipped).Row.Lines = facts.Lines{}
		}, []string{"row.lines"}},
		{"a row that is shipped while its workflow ended as cancelled", func(w factSet) {
			run := &w.Order(undone).Runs[0]
			run.Outcome = &facts.Outcome{Status: order.StatusCancelled, Reason: order.ReasonOrderGone}
		}, []string{"row.status"}},
		{"a row that is left open by a workflow that ended", func(w factSet) {
			w.run(fulfilling, facts.RunCompleted, "fulfilling", order.StatusFulfilling, "")
			w.Order(fulfilling).Runs = w.Order(fulfilling).Runs[1:]
		}, []string{"row.status"}},
		{"a row that is closed beside its workflow", func(w factSet) {
			w.Order(shipped).Runs = nil
			w.run(shipped, facts.RunOpen, "fulfilling", "", "")
		}, []string{"row.status"}},
		{"a search attribute that says something else", func(w factSet) {
			w.Order(shipped).Runs[0].OrderStatus = "fulfilling"
		}, []string{"row.status"}},
		{"a version that is missing", func(w factSet) {
			o := w.Order(shipped)
			o.Versions = o.Versions[:1]
		}, []string{"row.history"}},
		{"a version that begins elsewhere", func(w factSet) {
			w.Order(shipped).Versions[1].Old = "elsewhere"
		}, []string{"row.history"}},
		{"an image with a column that it may not have", func(w factSet) {
			w.Order(shipped).Versions[0].Fault = "an image holds a column that is not on the list"
		}, []string{"row.history"}},
		{"a closed order that changed", func(w factSet) {
			o := w.Order(shipped)
			o.Versions = append(o.Versions, facts.Version{Revision: 2, Type: "fulfillment-changed", Old: o.Row.Content, New: "new", Status: order.StatusShipped})
			o.Row.Revision, o.Row.Content = 2, "new"
		}, []string{"row.transition"}},
		{"a version that is called what it is not", func(w factSet) {
			w.Order(shipped).Versions[1].Type = "order-cancelled"
		}, []string{"row.transition"}},
	}
}

func TestInvariants_AcceptAllowedFacts(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(w factSet){
		"a closed order that retention forgot": func(w factSet) { w.Order(shipped).Runs = nil },
		"a workflow that was reset": func(w factSet) {
			w.run(shipped, facts.RunTerminated, "fulfilling", "", "")
			w.Order(shipped).Runs[1].Closed = noon.Add(-time.Hour)
		},
		"a terminated order that nobody has repaired yet": func(w factSet) {
			w.Order(fulfilling).Runs[0].Status = facts.RunTerminated
		},
		"an order whose person was erased": func(w factSet) {
			o := w.Order(shipped)
			o.Deleted, o.Row.Erased, o.Mails[0].Recipient, o.Mails[1].Recipient = true, true, "", ""
		},
		"a second mail after an unknown attempt": func(w factSet) {
			o := w.Order(shipped)
			o.Mails[1].Unknown = 1
			o.Messages = append(o.Messages, facts.Message{ID: "again", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com"})
		},
		"a mail of which a failover lost the record, and which came again": func(w factSet) {
			o := w.Order(shipped)
			w.Lost = []facts.Span{{From: noon, To: noon.Add(time.Second)}}
			o.Messages = append(o.Messages, facts.Message{ID: "lost", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com", At: noon})
		},
		"a mail that failed, and of which a failover lost that it was sent before": func(w factSet) {
			o := w.Order(shipped)
			w.Lost = []facts.Span{{From: noon, To: noon.Add(time.Second)}}
			o.Mails[1].Status, o.Mails[1].MessageIDs, o.Messages[1].At = "failed", nil, noon.Add(4*time.Second)
		},
		"a mail whose message is accounted for, at a time when other commits were lost": func(w factSet) {
			w.Lost = []facts.Span{{From: noon, To: noon.Add(time.Second)}}
			w.Order(shipped).Messages[1].At = noon
		},
		"the same order again, parked as a duplicate": func(w factSet) {
			o := w.Order(shipped)
			o.Placed = append(o.Placed, facts.Placed{Revision: 1, EventID: "another", CustomerID: customer, Total: hundred})
			o.Parked = []facts.Parked{{Revision: 1, Reason: "DUPLICATE_ORDER: the order was placed by event x", At: noon}}
		},
		"the same event a second time": func(w factSet) {
			o := w.Order(shipped)
			again := o.Placed[0]
			again.Revision = 1
			o.Placed = append(o.Placed, again)
		},
		"a cancellation that came before its order and was parked then": func(w factSet) {
			o := w.Order(shipped)
			o.Cancellations = []facts.Cancellation{{Revision: 0, EventID: "early"}}
			o.Placed[0].Revision, o.Runs[0].Input.Revision = 1, 1
			o.Parked = []facts.Parked{{Revision: 0, Reason: "ORDER_UNKNOWN", At: noon.Add(-time.Minute)}}
		},
		"messages by events that had their effect, or that the order refused": func(w factSet) {
			w.Order(shipped).Instructions = []facts.Instruction{
				{Type: order.TypeShipmentRecorded, Revision: 1}, {Type: order.TypeCreditApproved, Decision: true, Revision: 0},
			}
			w.Order(shipped).ParkedOther = []facts.Parked{{Revision: 0, Reason: "REJECTED: the order is not on hold", At: noon}}
			w.Order(fulfilling).Instructions = []facts.Instruction{{Type: order.TypeCreditApproved, Decision: true, Revision: 0}}
		},
		"a mail that an operator knows to be sent": func(w factSet) {
			w.Order(shipped).Mails[1].MessageIDs, w.Order(shipped).Mails[1].Resolution = nil, "sent"
		},
		"versions that were published and pruned": func(w factSet) {
			o := w.Order(shipped)
			o.Versions = o.Versions[1:]
		},
		"a hold that nobody ended": func(w factSet) { w.endHold(rejected, order.ReasonHoldExpired, facts.Turn{Timer: true}) },
		"a refusal beside an approval and the end of the hold": func(w factSet) {
			all := []string{facts.MessageApprove, facts.MessageDecline}
			w.endHold(rejected, order.ReasonCreditDeclined, facts.Turn{Timer: true, Messages: all})
		},
		"a cancellation beside everything else": func(w factSet) {
			all := []string{facts.MessageApprove, facts.MessageDecline, facts.MessageCancel}
			w.Order(undone).Runs[0].HoldEnd = &facts.Turn{Timer: true, Messages: all}
		},
		"a shipment beside a cancellation": func(w factSet) {
			w.Order(shipped).Runs[0].Shipping = &facts.Turn{Messages: []string{facts.MessageCancel, facts.MessageShip}}
		},
		"a part that waits for the rest": func(w factSet) {
			w.Order(fulfilling).Payments = []facts.Payment{{Revision: 1, EventID: "part", Amount: money(50_00)}}
		},
		"parts that come to too much": func(w factSet) {
			o := w.Order(paid)
			o.Payments = []facts.Payment{
				{Revision: 1, EventID: "paid " + paid, Amount: money(50_00)}, {Revision: 2, EventID: "part", Amount: money(60_00)},
			}
			o.Credit[1].Paid, o.Credit[1].Overpaid = money(110_00), money(10_00)
		},
		"a payment that was parked before its order was placed": func(w factSet) {
			o := w.Order(fulfilling)
			o.Payments = []facts.Payment{{Revision: 1, EventID: "early", Amount: hundred}}
			o.Parked = []facts.Parked{{Revision: 1, Reason: "ORDER_UNKNOWN", At: noon.Add(-time.Minute)}}
		},
		"a payment that is settled again after KurrentDB lost its effect": func(w factSet) {
			o := w.Order(paid)
			o.Settlements = append(o.Settlements, o.Settlements[0])
			o.Settlements[0].Began, o.Settlements[0].Closed = noon.Add(time.Minute), noon.Add(2*time.Minute)
			o.Settlements[1].Chain, o.Settlements[1].Began, o.Settlements[1].Closed = "2", noon.Add(time.Hour), noon.Add(time.Hour)
			w.Rewound = []facts.Span{{From: noon, To: noon.Add(90 * time.Second)}}
		},
		"a settlement that came before the reservation": func(w factSet) {
			w.place("order-prepaid")
			w.Order("order-prepaid").Payments = []facts.Payment{{Revision: 1, EventID: "paid", Amount: hundred}}
			w.credit(facts.CreditEvent{Type: facts.CreditReleased, OrderID: "order-prepaid", Amount: money(0), Reason: "paid", Causation: "paid"})
			w.run("order-prepaid", facts.RunOpen, "fulfilling", "", "")
			w.row("order-prepaid", lines, "", order.StatusFulfilling)
			w.mail("order-prepaid", "confirmation")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newFactSet()
			change(w)
			require.Empty(t, judge.Judge(w.Facts, pipeline()))
		})
	}
}

func TestAll_UniqueNamesAndPromises(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, invariant := range everything() {
		require.False(t, names[invariant.Name], invariant.Name)
		names[invariant.Name] = true
		require.NotEmpty(t, invariant.Promise)
		require.Equal(t, strings.ToLower(invariant.Name), invariant.Name)
	}
}

func TestJudge_IsDeterministic(t *testing.T) {
	t.Parallel()
	w := newFactSet()
	for _, o := range w.Orders {
		o.Runs, o.Row = nil, nil
	}
	first := judge.Judge(w.Facts, everything())
	require.NotEmpty(t, first)
	for range 10 {
		require.Equal(t, first, judge.Judge(w.Facts, everything()))
	}
}
