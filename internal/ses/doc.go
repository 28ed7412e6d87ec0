// Package ses renders an order's emails and hands them to Amazon SES, version 2 of its
// API. It owns the templates, the rules for the content of an email, and above all what
// is known about an email after a failed call: certainly not sent, never to be sent, or
// unknown. It is the only package that imports the AWS SDK. Whether and when to try again
// is up to the caller.
package ses
