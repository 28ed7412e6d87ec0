// Package collect reads the raw stores: every event of KurrentDB, the history of every
// workflow, every row and every email. It has its own access to each store and shares
// only the decoding of order events with the product, so that a mistake there cannot hide
// itself here. Package judge checks the result.
package collect
