package reconcile

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// TestJudge_EveryCombination judges every combination of the stores' facts, with the
// verdicts of its table.
func TestJudge_EveryCombination(t *testing.T) {
	t.Parallel()
	type verdict struct {
		kind   kind
		remedy remedy
	}
	fine, unstarted, cutOff := verdict{consistent, noRemedy}, verdict{missing, start}, verdict{held, repair}
	rowLost, disputed, unrepairable := verdict{lost, restore}, verdict{conflict, noRemedy}, verdict{held, noRemedy}
	published := verdict{lost, repair}
	open, none := []workflowState{workflowOpen}, []workflowState{workflowNone}
	cut := []workflowState{workflowTerminated, workflowTimedOut}
	ended := []workflowState{workflowCompleted, workflowFailed, workflowCanceled}
	settled, reserved := []creditState{creditNone, creditRefused, creditReleased}, []creditState{creditReserved, creditHeld}
	unknown := []creditState{creditUnknown}
	anyCredit, unsettled := slices.Concat(settled, reserved, unknown), slices.Concat(reserved, unknown)

	const fulfilling, shipped, rejected, canceled = order.StatusFulfilling, order.StatusShipped, order.StatusRejected, order.StatusCancelled
	type rows = []order.Status
	noRow, alive, undone, anyRow := rows{""}, rows{fulfilling}, rows{rejected, canceled}, rows{"", fulfilling, shipped, rejected, canceled}
	says := rows{shipped, rejected, canceled}
	either := []bool{false, true}

	seen := map[string]bool{}
	for _, row := range []struct {
		workflows []workflowState
		erased    []bool
		rows      rows
		credits   []creditState
		want      verdict
		results   rows // of the workflow; nil means none
		published rows // nil means none
	}{
		{open, either, anyRow, anyCredit, fine, nil, nil},
		{none, []bool{false}, rows{"", fulfilling}, anyCredit, unstarted, nil, rows{"", fulfilling}},
		{none, either, rows{"", fulfilling}, anyCredit, published, nil, says},
		{none, []bool{true}, noRow, settled, fine, nil, rows{"", fulfilling}},
		{none, []bool{true}, noRow, unsettled, cutOff, nil, rows{"", fulfilling}},
		{none, []bool{true}, alive, anyCredit, cutOff, nil, rows{"", fulfilling}},
		{none, either, rows{shipped}, anyCredit, fine, nil, nil},
		{none, either, undone, settled, fine, nil, nil},
		{none, either, undone, reserved, cutOff, nil, nil},
		{none, either, undone, unknown, unrepairable, nil, nil},
		{cut, []bool{false}, noRow, anyCredit, cutOff, nil, nil},
		{cut, []bool{true}, noRow, settled, fine, nil, nil},
		{cut, []bool{true}, noRow, unsettled, cutOff, nil, nil},
		{cut, either, alive, anyCredit, cutOff, nil, nil},
		{cut, either, rows{shipped}, anyCredit, fine, nil, nil},
		{cut, either, undone, settled, fine, nil, nil},
		{cut, either, undone, reserved, cutOff, nil, nil},
		{cut, either, undone, unknown, unrepairable, nil, nil},
		{ended, either, rows{"", fulfilling}, anyCredit, rowLost, says, nil},
		{ended, either, rows{shipped}, anyCredit, fine, rows{"", shipped}, nil},
		{ended, either, rows{shipped}, anyCredit, disputed, undone, nil},
		{ended, either, rows{rejected}, anyCredit, disputed, rows{shipped, canceled}, nil},
		{ended, either, rows{canceled}, anyCredit, disputed, rows{shipped, rejected}, nil},
		{ended, either, rows{rejected}, settled, fine, rows{"", rejected}, nil},
		{ended, either, rows{rejected}, reserved, cutOff, rows{"", rejected}, nil},
		{ended, either, rows{rejected}, unknown, unrepairable, rows{"", rejected}, nil},
		{ended, either, rows{canceled}, settled, fine, rows{"", canceled}, nil},
		{ended, either, rows{canceled}, reserved, cutOff, rows{"", canceled}, nil},
		{ended, either, rows{canceled}, unknown, unrepairable, rows{"", canceled}, nil},
		{ended, either, alive, anyCredit, disputed, nil, nil},
		{ended, []bool{false}, noRow, anyCredit, disputed, nil, nil},
		{ended, []bool{true}, noRow, unsettled, disputed, nil, nil},
		{ended, []bool{true}, noRow, settled, fine, nil, nil},
	} {
		for f := range combinations(row.workflows, row.erased, row.rows, row.credits, row.results, row.published) {
			key := fmt.Sprintf("%+v", f)
			require.False(t, seen[key], "%s is judged twice", key)
			seen[key] = true
			kind, remedy := judge(f)
			require.Equal(t, row.want, verdict{kind, remedy}, key)
		}
	}
	final := 3 // rows of five, for which the published status is not read
	each := 2 * len(anyCredit)
	require.Len(t, seen, each*((1+2)*5+3*5*4+(2*5+final)), "every combination has its row")
}

// combinations visits all combinations of these facts.
func combinations(
	workflows []workflowState, erased []bool, rows []order.Status, credits []creditState, results, published []order.Status,
) func(yield func(facts) bool) {
	orNothing := func(all []order.Status) []order.Status {
		if all == nil {
			return []order.Status{""}
		}
		return all
	}
	return func(yield func(facts) bool) {
		for _, workflow := range workflows {
			for _, isErased := range erased {
				for _, row := range rows {
					for _, credit := range credits {
						for _, result := range orNothing(results) {
							for _, last := range orNothing(published) {
								if !yield(facts{
									Workflow: workflow, Erased: isErased, Row: row, Credit: credit,
									Result: order.State{Status: result}, Published: last,
								}) {
									return
								}
							}
						}
					}
				}
			}
		}
	}
}

func TestJudge_Unreserved(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts  facts
		kind   kind
		remedy remedy
	}{
		"an open order":                      {facts{Workflow: workflowOpen, Row: order.StatusFulfilling}, unreserved, reserve},
		"an order that is closing":           {facts{Workflow: workflowOpen, Row: order.StatusCancelled}, consistent, noRemedy},
		"a shipped order":                    {facts{Workflow: workflowCompleted, Row: order.StatusShipped, Credit: creditNone}, unreserved, reserve},
		"a shipped order that is held again": {facts{Workflow: workflowNone, Row: order.StatusShipped, Credit: creditHeld}, unreserved, reserve},
		"a canceled order":                   {facts{Workflow: workflowCompleted, Row: order.StatusCancelled, Credit: creditNone}, held, repair},
		"a missing order":                    {facts{Workflow: workflowNone, Row: order.StatusFulfilling, Credit: creditNone}, missing, start},
	} {
		c.facts.Unreserved = true
		kind, remedy := judge(c.facts)
		require.Equal(t, c.kind, kind, name)
		require.Equal(t, c.remedy, remedy, name)
	}
}

func TestJudge_DueEmails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts  facts
		kind   kind
		remedy remedy
	}{
		"a shipment email that no workflow sends": {
			facts{Workflow: workflowTerminated, Row: order.StatusShipped, Credit: creditReserved, LostEmail: true}, held, repair,
		},
		"a rejection email that no workflow sends, of a workflow past its retention": {
			facts{Workflow: workflowNone, Row: order.StatusRejected, Credit: creditRefused, LostEmail: true}, held, repair,
		},
		"a shipment email whose outcome the ledger lost": {
			facts{
				Workflow: workflowCompleted, Row: order.StatusShipped, Credit: creditReserved, LostEmail: true,
				Result: order.State{Status: order.StatusShipped},
			}, held, restore,
		},
		"a confirmation whose outcome the ledger lost, of an order that waits for its shipment": {
			facts{Workflow: workflowOpen, Status: order.StatusFulfilling, Row: order.StatusFulfilling, LostEmail: true}, lost, restore,
		},
		"an open workflow that waits although its row is final": {
			facts{Workflow: workflowOpen, Row: order.StatusCancelled, WaitsOnFinalRow: true}, held, cancel,
		},
		"an open workflow whose task keeps failing": {
			facts{Workflow: workflowOpen, Row: order.StatusShipped, Failures: 1}, stuck, noRemedy,
		},
		"an open workflow that says that it waits for a shipment, and has no row": {
			facts{Workflow: workflowOpen, Status: order.StatusFulfilling}, lost, restore,
		},
		"an open workflow that closed its order, and its row did not close": {
			facts{Workflow: workflowOpen, Status: order.StatusShipped, Row: order.StatusFulfilling}, lost, noRemedy,
		},
		"an open workflow that closed its order, and has no row": {
			facts{Workflow: workflowOpen, Status: order.StatusRejected}, lost, noRemedy,
		},
		"an open workflow that closed its order, as did its row": {
			facts{Workflow: workflowOpen, Status: order.StatusShipped, Row: order.StatusShipped}, consistent, noRemedy,
		},
		"an open workflow that waits, and its row does too": {
			facts{Workflow: workflowOpen, Row: order.StatusFulfilling, WaitsOnFinalRow: true}, consistent, noRemedy,
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
