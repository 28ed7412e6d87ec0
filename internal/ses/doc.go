// Package ses writes an order's mails and hands them to Amazon SES, version 2 of its API. It owns the templates, what may
// stand in a mail, and above all what is known about a mail after a call that failed: certainly not sent, never to be
// sent, or unknown. It is the only importer of the AWS SDK. Whether and when to try again is left to the caller.
package ses
