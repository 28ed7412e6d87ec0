// Package judge owns the promise: each invariant is one small function over what was read. It does no I/O, and leaves
// reading to package collect. An invariant that concerns another store is another file here and a row in All.
package judge
