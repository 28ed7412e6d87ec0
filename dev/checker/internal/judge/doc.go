// Package judge owns the invariants. Each is one small function over the collected facts.
// It does no I/O; package collect reads the stores. To add an invariant about another
// store, add a file here and a row in All.
package judge
