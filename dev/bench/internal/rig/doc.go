// Package rig starts the servers that a scenario is measured on, and the real binaries as
// child processes: a Temporal development server, PostgreSQL, sessim, and kurrentsim
// unless KURRENTDB_URL names a real server. All of them write to disk, as in production.
//
// It owns the servers, the processes, and what can be read from them from outside: their
// metrics and their memory. Which binaries run, and what they are given to do, belongs to
// package scenario.
package rig
