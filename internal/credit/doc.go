// Package credit implements the rules of a customer's credit account: what may be
// reserved, the decision about each order, and the events that record it. It is pure:
// package streams loads, folds and appends the stream credit-<customerId>, and the
// workflow acts on the decision.
//
// The rule: an order's amount is reserved if limit − Σ open reservations ≥ amount. Each
// order has one decision, permanently. For a repeated command, the account returns that
// decision and records nothing. A command depends on the earlier decision:
//
//	order       Reserve                         Approve                    Release
//	undecided   decides: reserved, held         ErrNotHeld                 released, amount 0
//	            or refused
//	held        held                            reserved, outside the      released, amount 0
//	                                            rule (2)
//	reserved    reserved                        reserved                   released, amount freed
//	refused     refused                         refused                    released, amount 0
//	released    released                        released                   released, unchanged (3)
//
// How Reserve decides (1):
//
//	not opened, policy open     opens the account with the default limit of the order's currency, then as below
//	not opened, policy hold     held, UNKNOWN_CUSTOMER; refused if there is no hold time
//	not opened, policy reject   refused, UNKNOWN_CUSTOMER
//	another currency            refused, CURRENCY_MISMATCH
//	within the limit            reserved
//	over the limit              held if there is a hold time, else refused, INSUFFICIENT_CREDIT
//
// (2) An account that is not opened yet is opened first. If it was meanwhile opened in
// another currency, the order is refused, CURRENCY_MISMATCH.
//
// (3) A release closes the order whether or not anything was reserved. It may come before
// the account exists, so that a late reservation finds the order closed. The end of a hold
// releases held orders only: it leaves a reserved one reserved, unless a review reserved it
// and an operator declines it.
//
// A review reserves for orders on hold once credit is free, by the rule and the oldest
// first.
//
// Restore is for an order that was reserved once, in an account whose stream lost it.
package credit
