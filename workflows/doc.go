// Package workflows implements the workflows of an order: OrderFulfillment runs it from
// credit to shipment or compensation, OrderSettlement handles its payments, OrderEmail
// sends one of its emails, OrderRepair compensates an order whose workflow was lost, and
// OrderRestore restores a lost row. Reconciliation compares all orders with the stores. The
// package owns their inputs, messages and activity options.
// The code is deterministic: every effect is an activity of package activities, and
// settings reach a workflow only as an activity's result. Workflows are started by
// internal/routes for the starter, by internal/reconcile, by orderflow's `email resolve`,
// and by the schedule that internal/setup creates.
//
// Two rules hold for everything here. Histories are kept and shown to operators, so
// inputs, messages, results, summaries and search attributes hold ids, codes and amounts,
// never a name or an address. And orders wait for weeks, so every change must replay the
// histories in testdata, which were recorded from real orders: guard it with the rules of
// its input (input.go) or with workflow.GetVersion, and record a history of the new
// behavior alongside the old ones with make record-histories.
//
// # An order from start to end
//
//  1. [OrderFulfillment] (order_fulfillment.go) is started with an [Input], once per
//     order. newOrderRun (order_run.go) adds the compensations, resumes the state of an
//     earlier run, and registers the order's messages (handlers.go) before anything
//     blocks, so that none arrives without a handler.
//  2. obtainCredit (credit.go) reserves the total on the customer's account. If the
//     account holds the order, hold waits for [ApproveCredit] or [DeclineCredit] until
//     the hold expires. An order that gets no credit is closed as rejected by refuse.
//  3. startFulfillment (fulfillment.go) writes the order's row. applyRow takes over the
//     row that is stored, and send (email_sends.go) starts the confirmation email in the
//     background.
//  4. waitForShipment waits for [RecordShipment], for weeks if need be.
//  5. ship closes the row as shipped, and applyRow sends the shipment email.
//  6. finish hands over the emails that are left, waits a limited time for those being
//     sent (email_sends.go), and closeMessages (handlers.go) responds to the last
//     messages. result returns the order's state.
//
// Every activity of these steps but the emails is retried by stepper (steps.go) in rounds.
// The first round begins with a local attempt (execute.go), so that an order takes the
// steps 1 to 3 in one workflow task. After a failed round the order shows the step in the
// search attribute OrderStuck. policies.go has the timeouts, the retry policy and the
// priorities.
//
// # Messages, cancellation and compensation
//
// A message is both a signal and an update. decodeMessage (messages.go) reads it
// strictly, its check decides by the order's phase whether it is accepted, and its
// accept applies it (decisions.go). [CancelOrder] and Temporal's own cancellation cancel
// the context of the steps 2 to 4. The step that runs then ends with an error, as it does
// after an error that must not be retried. classifyFailure (undo.go) turns it into a
// reason, and undo runs the compensations in reverse on a disconnected context: it closes
// the row as canceled, and then releases the credit. From step 5 on nothing is
// compensated.
//
// # Continue-as-new
//
// watchHistory (continuation.go) sets continuing when the server suggests it. The step
// that runs or waits then returns errContinueAsNew, and continueAsNew passes a
// [Continuation] to the next run, which begins at 1, resumes that state, and repeats the
// step.
//
// # Satellites
//
//   - [OrderEmail] (email.go) sends one email that its order no longer waits for, or that
//     an operator wants sent again. handOver starts it as an abandoned child.
//   - [OrderSettlement] (settlement.go) releases credit when the order is paid. The
//     starter starts one for each payment.
//   - [OrderRepair] (repair.go) compensates an order whose workflow was terminated or
//     timed out. It is an orderRun that begins in the phase of compensation.
//   - [OrderRestore] (restore.go) writes the row again if PostgreSQL lost it. Like the
//     repair, it is started by reconcile.
//
// [DeploymentGate] (gate.go) belongs to no order. A deployment starts it on a new build of
// the worker, before that build takes orders.
package workflows
