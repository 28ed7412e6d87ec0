// Starter is the bridge from KurrentDB to Temporal for orders. It starts one workflow for
// every order placed, and passes on the other events of an order's stream, and the
// decisions about its credit, which are on streams with rights of their own.
//
// It is package bridge with the routes of package routes, and owns only their wiring.
// Package bridge owns the subscription, how many events are in hand, when one is tried
// again, and the decision when it counts as handled. Package routes owns what an event
// does in Temporal, and package workflows what a workflow does.
package main
