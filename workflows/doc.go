// Package workflows owns the way an order takes: OrderFulfillment from credit to shipment or back, OrderSettlement when it
// is paid, and OrderRepair when its workflow was lost, with their inputs, messages and activity options. It is
// deterministic: every effect is an activity of package activities, and settings reach it only as an activity's result.
// Starting workflows is left to package starter.
//
// Two rules hold for everything here. Histories are kept and shown to operators, so inputs, messages, results, summaries
// and search attributes hold ids, codes and amounts, never a name or an address. And orders wait for weeks, so a change
// has to replay the histories in testdata, recorded from real orders: guard it with workflow.GetVersion, and keep a
// history of the new way beside the old ones with make record-histories.
package workflows
