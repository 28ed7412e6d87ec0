package ses

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"orderflow/internal/email"
)

// How long to leave SES alone. Half as much again is added at random, so that a batch that was refused together does
// not come back together.
const (
	afterRate     = 5 * time.Second
	afterQuota    = 15 * time.Minute // a daily quota frees up bit by bit; SES's own advice is to wait ten minutes
	afterOperator = 10 * time.Minute // somebody has to change a setting first
)

// classify says what is known about an email after a call that failed.
//
//   - SES answered 4xx or 503, or that it throttles: not sent. It may be tried again, at once or later, or never will be.
//   - There was no connection to write to: not sent.
//   - Anything else, another 5xx, a timeout, a cut connection, an answer that cannot be read: unknown.
//
// Between here and SES there must be no proxy that makes 503 of a connection that was cut: one that ends TLS can.
func classify(err error, connected bool, to string) *email.SendError {
	status, code, message := answer(err)
	switch {
	case status >= 400 && status < 500, status == http.StatusServiceUnavailable, status != 0 && throttles(code):
		return refused(status, code, message, to)
	case status != 0 || connected:
		return &email.SendError{Status: email.StatusUnknown, Code: word(code, status, err), Err: scrub(err, to)}
	default:
		return &email.SendError{Status: email.StatusPending, Code: word("", 0, err), Err: scrub(err, to)}
	}
}

// answer gives the HTTP status of SES's answer, 0 when there was none, and its error code and message if readable.
func answer(err error) (status int, code, message string) {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok && status != 0 {
		code, message = api.ErrorCode(), api.ErrorMessage()
	}
	return status, safeCode(code), message
}

func refused(status int, code, message, to string) *email.SendError {
	e := &email.SendError{Status: email.StatusPending, Code: code}
	if code == "" {
		e.Code = fmt.Sprintf("http-%d", status)
	}
	e.Err = scrub(fmt.Errorf("ses answered %d %s: %s", status, e.Code, message), to)
	if refusesLetter(code, message) {
		e.Status = email.StatusFailed
		return e
	}
	e.RetryAfter = spread(pause(status, code, message))
	return e
}

// pause returns how long to wait. What is not known better waits for an operator: a paused or suspended account, bad
// credentials, a missing configuration set, an unverified domain, a code of the future.
func pause(status int, code, message string) time.Duration {
	busy := throttles(code) || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
	switch {
	case code == "LimitExceededException":
		return afterQuota
	case !busy:
		return afterOperator
	case strings.Contains(strings.ToLower(message), "daily"): // rate and quota share a code, and only the text differs
		return afterQuota
	default:
		return afterRate
	}
}

// throttles reports whether a code says that SES did not take up the request, and will take one later.
func throttles(code string) bool {
	switch code {
	case "TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"ServiceUnavailable", "ServiceUnavailableException", "SlowDown":
		return true
	default:
		return false
	}
}

func spread(d time.Duration) time.Duration { return d + rand.N(d/2) } //nolint:gosec // spreading load needs no secrecy

// word names a failure that SES gave no code for.
func word(code string, status int, err error) string {
	network, isNetwork := errors.AsType[net.Error](err)
	operation, isOperation := errors.AsType[*net.OpError](err)
	switch {
	case code != "":
		return code
	case status >= 300:
		return fmt.Sprintf("http-%d", status)
	case status != 0:
		return "answer"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return "timeout"
	case isOperation && operation.Op == "dial":
		return "dial"
	case isNetwork, isConnection(err):
		return "connection"
	default:
		return "request" // it was never made: no credentials, no signature
	}
}

func isConnection(err error) bool {
	failed, ok := errors.AsType[interface {
		error
		ConnectionError() bool
	}](err)
	return ok && failed.ConnectionError()
}

// safeCode keeps a code short and plain, for it goes into the ledger, metrics and logs. UnknownError is the SDK's word for
// an answer without a code, and the HTTP status says more.
func safeCode(code string) string {
	plain := func(r rune) bool { return r == '.' || isTagRune(r) }
	if code == "UnknownError" || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return code
}

// scrubbed is a cause with every address taken out. What it hides can still be recognised with errors.Is.
type scrubbed struct {
	text string
	is   error
}

func (e *scrubbed) Error() string { return e.text }

// Unwrap gives the context's error, if that was the cause, and nothing that could be printed.
func (e *scrubbed) Unwrap() error { return e.is }

const (
	maxCause = 500 // characters; an answer's text is as long as its sender likes
	hidden   = "[address]"
)

// scrub writes an error without the recipient or anything else that could be an address: SES quotes them, and causes
// travel far. The original is dropped, for whatever unwraps an error prints it too.
func scrub(err error, to string) error {
	words := strings.Fields(strings.ReplaceAll(err.Error(), to, hidden))
	for i, word := range words {
		if strings.Contains(word, "@") {
			words[i] = hidden
		}
	}
	s := &scrubbed{text: clean(strings.Join(words, " "), maxCause)}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			s.is = known
		}
	}
	return s
}
