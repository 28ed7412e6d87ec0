// Package messages is the message store: streams of messages in KurrentDB, through its
// official client. It owns the connection. Every call ends with its context or after a
// timeout, whatever the server does, and after an outage of any length the next call
// works. What the messages mean is left to package video, and which of them is written
// next to package process. No call is repeated: that is left to the caller, who knows how
// long it may wait.
package messages
