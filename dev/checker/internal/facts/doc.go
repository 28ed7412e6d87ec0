// Package facts holds what the checker has read, joined by order and by customer. It is
// plain data, small enough that tens of thousands of orders fit into memory. Package
// collect reads it and package judge checks it.
package facts
