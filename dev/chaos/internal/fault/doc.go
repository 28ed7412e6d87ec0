// Package fault owns what breaks while the workload runs: the kinds of fault, a schedule of them that a seed settles, and
// carrying it out on a rig. What is left of an order afterwards is none of its business.
//
// Another kind of fault is a row of the table in kinds.go.
package fault
