// Package order owns the placed order: its identity, decoding and validating the events of an order stream, money and
// totals, and the words for an order's state. It is pure: reading streams is left to internal/kurrent.
package order
