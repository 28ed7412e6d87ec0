// Package credit owns the rules of a customer's credit account: what may be reserved, what was decided for each order,
// and the events that say so. It is pure: loading, folding and appending the stream credit-<customerId> is left to
// internal/kurrent, and what an order does with the answer to the workflow.
//
// The rule: an order's amount is reserved when limit − Σ open reservations ≥ amount. There is one decision per order,
// for ever; asked again, the account answers what it decided and records nothing. A command looks at what was decided:
//
//	order       Reserve                         Approve                    Release
//	undecided   decides: reserved, held         ErrNotHeld                 released, amount 0
//	            or refused
//	held        held                            reserved, outside the      released, amount 0
//	                                            rule (2)
//	reserved    reserved                        reserved                   released, amount freed
//	refused     refused                         refused                    released, amount 0
//	released    released                        released                   released, as it was (3)
//
// How Reserve decides (1):
//
//	not opened, policy open     opens the account with the default limit of the order's currency, then as below
//	not opened, policy hold     held, UNKNOWN_CUSTOMER; refused when there is no hold time
//	not opened, policy reject   refused, UNKNOWN_CUSTOMER
//	another currency            refused, CURRENCY_MISMATCH
//	it fits the limit           reserved
//	it does not                 held when there is a hold time, else refused, INSUFFICIENT_CREDIT
//
// (2) An account that is not opened yet is opened first. If it was meanwhile opened in another currency, the order is
// refused, CURRENCY_MISMATCH.
//
// (3) A release closes the order whether or not anything was reserved, and may come before the account exists, so that a
// reserve that comes late cannot slip in behind it.
package credit
