// Package devserver starts the real servers that the tests and the local stack need, as child processes of this one: a
// private PostgreSQL cluster and the Temporal development server. It owns finding or fetching their programs, their
// ports, their files below one folder, their readiness and their orderly stop. It leaves talking to them to the packages
// that import their drivers, and deciding which of them are wanted to its callers. Nothing that runs in production
// imports it.
//
// Children have process groups of their own, so that an interrupt at the terminal reaches the parent alone. On Linux
// they die with the parent, even when it is killed; elsewhere only an orderly stop ends them.
package devserver
