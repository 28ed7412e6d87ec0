// Package subscription implements the rules of a persistent subscription: which consumer
// gets a message, how an acknowledgement, a nack, a timeout or a lost consumer affects
// it, and how far the group may be checkpointed.
//
// It is a state machine without goroutines, clock or I/O: the time is passed with each
// call, messages are fed to it, and the caller takes from it what must be written.
// Package groups drives it.
package subscription
