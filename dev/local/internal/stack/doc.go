// Package stack starts, watches and stops all parts of the local stack: the servers,
// unless environment variables point to external ones, and the real binaries as child
// processes. It owns the state folder, the ports, which servers are external, and the
// order of starting and stopping. Package programs knows how a binary is started and
// which variables lead it to its servers. The main package places the orders and displays
// them.
package stack
