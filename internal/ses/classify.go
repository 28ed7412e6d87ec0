package ses

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"

	"orderflow/internal/backoff"
	"orderflow/internal/email"
)

// How long to wait before calling SES again. Up to half as much is added at random, so
// that a batch that was refused together is not retried together.
const (
	afterRate     = 5 * time.Second
	afterQuota    = 15 * time.Minute // a daily quota frees up gradually; SES's own advice is to wait ten minutes
	afterOperator = 10 * time.Minute // an operator must change a setting first
)

// classify returns what is known about an email after a failed call:
//
//   - SES responded with 4xx, 503 or a throttling error: not sent. It may be tried again
//     at once, later, or never.
//   - There was no connection to write to: not sent.
//   - Anything else, such as another 5xx, a timeout, a cut connection or an unreadable
//     response: unknown.
//
// There must be no proxy between this process and SES that turns a cut connection into a
// 503, as one that terminates TLS can.
func classify(err error, connected bool, to string) *email.SendError {
	status, code, message := parseResponse(err)
	switch {
	case status >= 400 && status < 500, status == http.StatusServiceUnavailable, status != 0 && isThrottling(code):
		return refused(status, code, message, to)
	case status != 0 || connected:
		return &email.SendError{Status: email.StatusUnknown, Code: failureCode(code, status, err), Err: redact(err, to)}
	default:
		return &email.SendError{Status: email.StatusPending, Code: failureCode("", 0, err), Err: redact(err, to)}
	}
}

// parseResponse returns the HTTP status of SES's response, or 0 if there was none, and
// its error code and message if they are readable.
func parseResponse(err error) (status int, code, message string) {
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
	e.Err = redact(fmt.Errorf("ses responded with %d %s: %s", status, e.Code, message), to)
	if refusesLetter(code, message) {
		e.Status = email.StatusFailed
		return e
	}
	e.RetryAfter = jitter(retryAfter(status, code, message))
	return e
}

// retryAfter returns how long to wait. Everything that is not recognized waits for an
// operator: a paused or suspended account, bad credentials, a missing configuration set,
// an unverified domain, an unknown code.
func retryAfter(status int, code, message string) time.Duration {
	busy := isThrottling(code) || status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
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

// isThrottling reports whether a code means that SES did not process the request, and
// will accept one later.
func isThrottling(code string) bool {
	switch code {
	case "TooManyRequestsException", "ThrottlingException", "Throttling", "RequestLimitExceeded",
		"ServiceUnavailable", "ServiceUnavailableException", "SlowDown":
		return true
	default:
		return false
	}
}

func jitter(d time.Duration) time.Duration { return d/2 + backoff.Jitter(d) }

// failureCode returns a code for a failure, its own if SES gave none.
func failureCode(code string, status int, err error) string {
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
		return "request" // the request was never made: no credentials or no signature
	}
}

func isConnection(err error) bool {
	failed, ok := errors.AsType[interface {
		error
		ConnectionError() bool
	}](err)
	return ok && failed.ConnectionError()
}

// safeCode drops a code that is not short and plain, because codes go into the ledger,
// metrics and logs. UnknownError is what the SDK reports for a response without a code;
// the HTTP status says more.
func safeCode(code string) string {
	plain := func(r rune) bool { return r == '.' || isTagRune(r) }
	if code == "UnknownError" || len(code) > 64 || strings.ContainsFunc(code, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return code
}

// redacted is a cause without any addresses. errors.Is still recognizes a context error.
type redacted struct {
	text string
	is   error
}

func (e *redacted) Error() string { return e.text }

// Unwrap returns the context's error, if that was the cause, and nothing else that could
// be printed.
func (e *redacted) Unwrap() error { return e.is }

const (
	maxCause = 500 // characters; the length of a response is up to its sender
	hidden   = "[address]"
)

// redact returns an error without the recipient or anything else that could be an
// address, because SES quotes addresses, and causes end up in logs and histories. The
// original error is dropped, because code that unwraps an error also prints it.
func redact(err error, to string) error {
	words := strings.Fields(strings.ReplaceAll(err.Error(), to, hidden))
	for i, word := range words {
		if strings.ContainsAny(word, "@\uff20\ufe6b") || strings.Contains(word, "%40") {
			words[i] = hidden
		}
	}
	s := &redacted{text: clean(strings.Join(words, " "), maxCause)}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			s.is = known
		}
	}
	return s
}
