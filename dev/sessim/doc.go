// Package sessim replaces Amazon SES where there is no account: on a developer's machine
// and in tests. It speaks the calls of SES's version 2 API that orders and operators need,
// over the real wire protocol and with the real errors. It keeps received messages in an inbox
// with a web page, and fails on request. It delivers nothing.
//
// Events about emails with a configuration set reach a queue, which speaks the JSON
// protocol of Amazon SQS at the same address: visibility timeouts, receive counts, long
// polling and a dead-letter queue.
package sessim
