// Package emailevents consumes what the provider reports about the emails that it
// accepted. It owns the loop over the queue: what is deleted, what is left for the queue's
// redrive policy, and how an outage is waited out. The ledger decides what an event means
// for an email, and package ses reads the queue and its messages.
package emailevents
