// Package rig runs the whole of Orderflow so that it can be broken: the real binaries as child processes, a Temporal
// development server and a PostgreSQL of their own, durable stand-ins for KurrentDB and SES, and between every binary and
// every store a proxy of its own; one more stands between the clients of each api and it.
//
// A Rig holds Processes by name and Edges by name. A Process that dies is started again, as a platform would; it can be
// killed, paused, stopped, and started once with further variables:
//
//	worker := r.Process("worker-1")
//	err := worker.Restart(ctx, map[string]string{"FAILPOINTS": "worker.reserve.after=crash"}) // for this start alone
//	death, err := worker.AwaitDeath(ctx) // by SIGKILL, with its variables
//	err = worker.AwaitReady(ctx)         // started again, without them
//
// An Edge is the way of one binary to one store, such as "worker-1/postgres", or of the clients to an api, "client/api-1". It takes toxics or is cut.
//
// A KurrentDB that another started can take the place of kurrentsim: it is no Process then, and has edges like every store.
//
// What runs through the rig is left to package load, what breaks and when to package fault, and whether anything was lost
// to the checker. They reach the stores directly, by Direct and Environment.
package rig
