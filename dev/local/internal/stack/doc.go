// Package stack starts, watches and stops all parts of the local stack: the servers,
// unless environment variables point to external ones, and the real binaries as child
// processes. It owns the state folder, the ports, the environment of the children and the
// order of starting and stopping. The main package places the orders and displays them.
package stack
