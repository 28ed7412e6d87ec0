// Package measure holds what a benchmark finds out: ratios of the product to a ceiling
// that was measured in the same run, plain figures, and the goals that both are compared
// with.
//
// It owns the statistics and the order in which two sides are measured. What is measured
// belongs to package scenario, and how it is displayed to package report.
package measure
