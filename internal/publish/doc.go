// Package publish turns a version of an order's fulfillment into its event and appends it to
// the order's stream, for the publisher and for the operators' command that publishes an
// order again.
//
// It owns which version becomes an event, what makes an append safe to repeat, and the
// reasons for which a version can never be appended. It makes one attempt. The publisher
// decides when to try again and when an order is set aside.
package publish
