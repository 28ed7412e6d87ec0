// Package devserver starts the real servers that the tests and the local stack need, as
// child processes: a private PostgreSQL cluster and the Temporal development server. It
// finds or fetches their programs, and manages their ports, their files below one folder,
// their readiness and their orderly stop. Talking to them is left to the packages that
// import their drivers, and choosing among them to the callers. Production code does not
// import it.
//
// Children have their own process groups, so that an interrupt at the terminal reaches
// only the parent. On Linux they die with the parent, even when it is killed; elsewhere
// only an orderly stop ends them.
package devserver
