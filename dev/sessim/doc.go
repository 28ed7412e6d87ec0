// Package sessim replaces Amazon SES where there is no account: on a developer's machine
// and in tests. It speaks the calls of SES's version 2 API that orders and operators need,
// over the real wire protocol and with the real errors. It keeps received messages in an inbox
// with a web page, and fails on request. It delivers nothing.
package sessim
