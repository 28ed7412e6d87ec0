package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// Every combination of what the stores can say is judged, and the table says how.
func TestEveryCombinationOfWhatTheStoresSayIsJudged(t *testing.T) {
	t.Parallel()
	type verdict struct {
		kind   kind
		remedy remedy
	}
	fine, lost, stuck := verdict{consistent, noRemedy}, verdict{missing, start}, verdict{held, repair}
	closed := []workflowState{workflowCompleted, workflowFailed, workflowCanceled, workflowTerminated, workflowTimedOut}
	undone := []order.Status{order.StatusRejected, order.StatusCancelled}
	settled := []creditState{creditNone, creditRefused, creditReleased}
	open := []creditState{creditReserved, creditHeld}
	none, anyRow := []order.Status{""}, []order.Status{"", order.StatusFulfilling, order.StatusShipped, order.StatusRejected, order.StatusCancelled}
	fulfilling, shipped := []order.Status{order.StatusFulfilling}, []order.Status{order.StatusShipped}
	anyCredit := []creditState{creditNone, creditRefused, creditReleased, creditReserved, creditHeld, creditUnknown}
	unknown := []creditState{creditUnknown}

	seen := map[facts]bool{}
	for _, row := range []struct {
		workflows []workflowState
		erased    bool
		rows      []order.Status
		credits   []creditState
		want      verdict
	}{
		{[]workflowState{workflowOpen}, false, anyRow, anyCredit, fine},
		{[]workflowState{workflowOpen}, true, anyRow, anyCredit, fine},
		{[]workflowState{workflowNone}, false, none, anyCredit, lost},
		{[]workflowState{workflowNone}, false, fulfilling, anyCredit, lost},
		{[]workflowState{workflowNone}, false, shipped, anyCredit, fine},
		{[]workflowState{workflowNone}, false, undone, settled, fine},
		{[]workflowState{workflowNone}, false, undone, open, stuck},
		{[]workflowState{workflowNone}, false, undone, unknown, verdict{held, noRemedy}},
		{[]workflowState{workflowNone}, true, none, settled, fine},
		{[]workflowState{workflowNone}, true, none, append(unknown, open...), stuck},
		{[]workflowState{workflowNone}, true, fulfilling, anyCredit, stuck},
		{[]workflowState{workflowNone}, true, shipped, anyCredit, fine},
		{[]workflowState{workflowNone}, true, undone, settled, fine},
		{[]workflowState{workflowNone}, true, undone, open, stuck},
		{[]workflowState{workflowNone}, true, undone, unknown, verdict{held, noRemedy}},
		{closed, false, none, anyCredit, stuck},
		{closed, false, fulfilling, anyCredit, stuck},
		{closed, false, shipped, anyCredit, fine},
		{closed, false, undone, settled, fine},
		{closed, false, undone, open, stuck},
		{closed, false, undone, unknown, verdict{held, noRemedy}},
		{closed, true, none, settled, fine},
		{closed, true, none, append(unknown, open...), stuck},
		{closed, true, fulfilling, anyCredit, stuck},
		{closed, true, shipped, anyCredit, fine},
		{closed, true, undone, settled, fine},
		{closed, true, undone, open, stuck},
		{closed, true, undone, unknown, verdict{held, noRemedy}},
	} {
		for _, workflow := range row.workflows {
			for _, status := range row.rows {
				for _, credit := range row.credits {
					f := facts{Workflow: workflow, Row: status, Credit: credit, Erased: row.erased}
					require.False(t, seen[f], "%+v is judged twice", f)
					seen[f] = true
					kind, remedy := judge(f)
					require.Equal(t, row.want, verdict{kind, remedy}, fmt.Sprintf("%+v", f))
				}
			}
		}
	}
	require.Len(t, seen, 2*7*len(anyRow)*len(anyCredit), "every combination has its row")
}

func TestWhatIsDueToTheCustomerIsJudgedToo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts  facts
		kind   kind
		remedy remedy
	}{
		"a shipment mail that nobody sends": {
			facts{Workflow: workflowTerminated, Row: order.StatusShipped, Credit: creditReserved, LostMail: true}, held, repair,
		},
		"a rejection mail that nobody sends, of a workflow long forgotten": {
			facts{Workflow: workflowNone, Row: order.StatusRejected, Credit: creditRefused, LostMail: true}, held, repair,
		},
		"an open workflow that waits in vain": {
			facts{Workflow: workflowOpen, Row: order.StatusCancelled, InVain: true}, held, cancel,
		},
		"an open workflow that waits, and its row does too": {
			facts{Workflow: workflowOpen, Row: order.StatusFulfilling, InVain: true}, consistent, noRemedy,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind, remedy := judge(c.facts)
			require.Equal(t, c.kind, kind)
			require.Equal(t, c.remedy, remedy)
		})
	}
}
