// Package order owns the placed order: its identity, decoding and validating the events of an order stream, money and
// totals, and the words for an order's state. It is pure: reading streams is left to internal/kurrent.
//
// Producers are many and not ours, so decoding is strict about what is read (names are case-sensitive, nothing may
// stand twice, numbers are exact, every size is bounded) and blind to the rest. A fault names the place and the rule
// and never repeats a value, since reasons end up in logs and parked messages and values may be personal.
package order
