// Package workflows implements the workflows of an order: OrderFulfillment runs it from
// credit to shipment or compensation, OrderSettlement handles its payments, OrderEmail
// sends one of its emails, OrderRepair compensates an order whose workflow was lost, and
// OrderRestore restores a lost row. It owns their inputs, messages and activity options.
// The code is deterministic: every effect is an activity of package activities, and
// settings reach a workflow only as an activity's result. Package starter starts the
// workflows.
//
// Two rules hold for everything here. Histories are kept and shown to operators, so
// inputs, messages, results, summaries and search attributes hold ids, codes and amounts,
// never a name or an address. And orders wait for weeks, so every change must replay the
// histories in testdata, which were recorded from real orders: guard it with
// workflow.GetVersion, and record a history of the new behavior alongside the old ones
// with make record-histories.
package workflows
