// Package order implements the placed order: its identity, decoding and validating the
// events of an order stream, money and totals, and the values of an order's state. It is
// pure: package streams reads them.
//
// There are many producers, and this project does not control them. So decoding is strict
// about what it reads: names are case-sensitive, no member may be given twice, numbers
// are exact, and every size is bounded. It ignores everything else. A fault names the
// path and the rule and never repeats a value, because reasons end up in logs and parked
// messages, and values may be personal data.
package order
