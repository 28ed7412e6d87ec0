// Package facts holds what the checker has read, joined by order and by customer: plain data, small enough that tens of
// thousands of orders fit into memory. It leaves reading to package collect and judging to package judge.
package facts
