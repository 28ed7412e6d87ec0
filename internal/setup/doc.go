// Package setup prepares the stores for Orderflow: PostgreSQL's schema, publication,
// roles and replication slot, the subscription group of the starter in KurrentDB with its
// rights, Temporal's search attributes, the rate of the email queue and the schedule of comparisons.
//
// It owns the order of the steps and what is reported of each. What a step does to a
// store is left to that store's driver. Every step may be repeated and run alongside
// another setup. It never removes anything, and never sets a password. What it may not
// do, or what a person has to decide, it reports with the statement or command for it,
// and does the rest.
//
// It leaves to package doctor whether a running deployment works.
package setup
