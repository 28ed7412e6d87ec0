// Package scenario holds what the benchmark measures, one scenario in each file. A
// scenario gets servers of its own, makes the product work, and compares it with a ceiling
// that it measures on the same servers in the same run.
package scenario
