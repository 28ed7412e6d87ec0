// Package stack starts, watches and stops everything the local stack consists of: the servers that no environment variable
// points elsewhere, and the real binaries as child processes. It owns the state folder, the ports, the environment of the
// children and the order of starting and stopping. What runs through the stack, and what people see of it, is left to
// the main package.
package stack
