// Package fault owns what breaks while the workload runs: the kinds of fault, a schedule
// of them determined by a seed, and carrying it out on a rig. It does not check the
// effect on orders.
//
// To add a kind of fault, add a row to the table in kinds.go.
package fault
