// Package rig runs all of Orderflow so that it can be broken: the real binaries as child
// processes, a Temporal development server and a PostgreSQL of its own, and durable
// simulators of KurrentDB and SES. Between every binary and every store is a separate
// proxy, and another one between the clients of each api and the api.
//
// A Rig holds Processes by name and Edges by name. A Process that dies is restarted, as a
// platform would do; it can be killed, paused, stopped, and started once with extra
// variables:
//
//	worker := r.Process("worker-1")
//	seen := len(worker.Deaths())
//	err := worker.Restart(ctx, map[string]string{"FAILPOINTS": "worker.reserve.after=crash"}) // for this start alone
//	death, err := worker.AwaitDeathAfter(ctx, seen) // by SIGKILL, with its variables
//	err = worker.AwaitReady(ctx)                    // restarted without them
//
// An Edge is the connection path from one binary to one store, such as
// "worker-1/postgres", or from the clients to an api, "client/api-1". It can be given
// toxics or cut.
//
// An external KurrentDB can replace kurrentsim: it is not a Process then, and has edges
// like every store.
//
// Package load owns what runs through the rig, package fault what breaks and when, and
// the checker whether anything was lost. They reach the stores directly, by Direct.
// Package programs knows how a binary is started and which variables lead it to its
// stores.
package rig
