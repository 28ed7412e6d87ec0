// Package streams owns what Orderflow keeps in KurrentDB: a stream per order, per credit
// account and per published fulfillment.
//
//   - Orders reads an order's stream: the event that placed it, its payments and its
//     cancellation. The body stays there: it is the claim check of the workflow.
//   - CreditAccounts folds an account's stream, lets the account decide, and appends the
//     outcome at exactly the revision it was decided on. It keeps folded accounts in
//     memory (account_cache.go, folded_account.go). Requests for an account that arrive
//     while others are being decided wait (account_requests.go), and are decided together
//     and written in one append (account_group.go).
//   - FulfillmentVersion is what the publisher appends to a fulfillment's stream, and
//     Fulfillments reads it back.
//
// Events get ids that derive from their content, so a repeated append writes nothing
// twice. What an event means is left to the domain packages (order, credit, fulfillment),
// and calls to the server are left to package kurrent. What to do about an error is left
// to the callers.
package streams
