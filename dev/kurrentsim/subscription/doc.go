// Package subscription owns the rules of a persistent subscription: who gets which message, what an acknowledgement, a
// refusal, a timeout or a lost consumer means for it, and how far the group may be checkpointed.
//
// It is a state machine without goroutines, clock or I/O: the time is given with each call, messages are fed to it, and
// what has to be written is taken from it. Package groups drives it.
package subscription
