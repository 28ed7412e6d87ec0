// Scaling calculates what a number of orders a day needs of each store and of the
// product's processes, from what one order costs:
//
//	scaling --orders-per-day 1000000 --peak 3
//	scaling --orders-per-day 1000000 --result .local/bench/result.json
//
// What an order costs in calls and bytes is fixed by the code. How much of it a machine
// does in a second is not: with --result it takes the throughput from a result of
// the benchmark, and compares it with what the calculation predicts for that machine.
// The worker's variables WORKER_* are read from the environment. docs/scaling.md explains
// the lines.
//
// cost.go owns what one order costs, plan.go what follows from it, bench.go what is read
// from a result.
package main
