// Package report writes what the benchmark found out: a table for a terminal, and JSON for
// everything else.
package report
