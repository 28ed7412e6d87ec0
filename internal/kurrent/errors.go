package kurrent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The outcomes of a call. Every error of this package that comes from the event store
// wraps exactly one of them. No type of the client is exposed, and no text that could
// hold a credential.
var (
	// ErrNotFound is returned if the stream, event or group does not exist.
	ErrNotFound = errors.New("not found")
	// ErrDeleted is returned if the stream was deleted.
	ErrDeleted = errors.New("stream is deleted")
	// ErrWrongRevision is returned if the stream is not at the revision an append
	// expected. Nothing was written.
	ErrWrongRevision = errors.New("stream is at another revision")
	// ErrUnavailable is returned if there was no response, or one that asks to try again.
	// It is not known what an append did.
	ErrUnavailable = errors.New("event store is unavailable")
	// ErrAccessDenied is returned if the credentials are wrong or insufficient.
	ErrAccessDenied error = operatorError("access denied")
	// ErrTooLarge is returned if the server accepts no event, or no batch, of that size.
	ErrTooLarge error = operatorError("too large")
	// ErrGroupExists is returned if a group of that name already exists.
	ErrGroupExists = errors.New("group exists")
	// ErrInvalid is returned for a request that the server will never accept.
	ErrInvalid error = operatorError("invalid request")
	// ErrClosed is returned if the client or the subscription was closed on this side. It
	// wraps ErrUnavailable.
	ErrClosed = fmt.Errorf("closed: %w", ErrUnavailable)

	// errCutOff is returned if the call ended while the request was being sent. It wraps
	// ErrUnavailable.
	errCutOff = fmt.Errorf("cut off: %w", ErrUnavailable)
	// errNoReason is returned if the server failed the call without a reason: it could
	// not give one, or the reason names a stream whose name no header can carry. It wraps
	// ErrUnavailable.
	errNoReason = fmt.Errorf("no reason given: %w", ErrUnavailable)
)

// IsGone reports whether err says that what was asked for does not exist, or was deleted.
func IsGone(err error) bool { return errors.Is(err, ErrNotFound) || errors.Is(err, ErrDeleted) }

// operatorError is an error that no retry clears until an operator has changed something:
// a grant, a limit, a stream.
type operatorError string

// Error returns the text.
func (e operatorError) Error() string { return string(e) }

// Blocked reports true.
func (operatorError) Blocked() bool { return true }

// maxDetail bounds the server's text, so that it cannot fill logs and workflow histories.
const maxDetail = 300

// translate maps an error of the client to one of this package.
func translate(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	sentinel := sentinelOf(err)
	if errors.Is(sentinel, ErrUnavailable) && ctx.Err() != nil {
		return fmt.Errorf("%w: %w", sentinel, context.Cause(ctx))
	}
	return fmt.Errorf("%w: %s", sentinel, detailOf(err))
}

func sentinelOf(err error) error {
	client, ok := errors.AsType[*kurrentdb.Error](err)
	if !ok {
		return sentinelOfStatus(err)
	}
	switch client.Code() {
	case kurrentdb.ErrorCodeResourceNotFound:
		return ErrNotFound
	case kurrentdb.ErrorCodeStreamDeleted, kurrentdb.ErrorCodeStreamTombstoned:
		return ErrDeleted
	case kurrentdb.ErrorCodeWrongExpectedVersion, kurrentdb.ErrorCodeStreamRevisionConflict:
		return ErrWrongRevision
	case kurrentdb.ErrorCodeAccessDenied, kurrentdb.ErrorCodeUnauthenticated:
		return ErrAccessDenied
	case kurrentdb.ErrorCodeResourceAlreadyExists:
		return ErrGroupExists
	case kurrentdb.ErrorCodeAppendRecordSizeExceeded, kurrentdb.ErrorCodeAppendTransactionSizeExceeded:
		return ErrTooLarge
	case kurrentdb.ErrorCodeUnsupportedFeature, kurrentdb.ErrorCodeParsing:
		return ErrInvalid
	case kurrentdb.ErrorCodeUnknown:
		if errors.Is(err, io.EOF) {
			return errCutOff
		}
		return sentinelOfStatus(err)
	default:
		return ErrUnavailable
	}
}

// sentinelOfStatus handles what the client does not map: errors of a running
// subscription, and status codes that it has no name for.
func sentinelOfStatus(err error) error {
	switch status.Code(err) {
	case codes.NotFound:
		return ErrNotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		return ErrAccessDenied
	case codes.AlreadyExists:
		return ErrGroupExists
	case codes.InvalidArgument:
		if strings.Contains(strings.ToLower(err.Error()), "maximum append") { // the size is in a trailer that is not visible here
			return ErrTooLarge
		}
		return ErrInvalid
	case codes.FailedPrecondition:
		if strings.Contains(err.Error(), "WrongExpectedVersion") { // of a deletion, for which the client has no code
			return ErrWrongRevision
		}
		return ErrUnavailable
	case codes.ResourceExhausted:
		if strings.Contains(err.Error(), "larger than max") || strings.Contains(err.Error(), "exceeds the maximum") {
			return ErrTooLarge
		}
		return ErrUnavailable
	case codes.Unknown:
		if strings.Contains(err.Error(), "HTTP status code received from server: 500") {
			return errNoReason
		}
		return ErrUnavailable
	default:
		return ErrUnavailable
	}
}

// isCanceled reports whether the caller gave the call up, which says nothing about the
// server. A deadline is not one.
func isCanceled(err error) bool {
	return errors.Is(err, context.Canceled) || status.Code(err) == codes.Canceled
}

// isUnimplemented reports whether the server lacks the service that was called.
func isUnimplemented(err error) bool {
	client, ok := errors.AsType[*kurrentdb.Error](err)
	return ok && client.Code() == kurrentdb.ErrorCodeUnsupportedFeature || status.Code(err) == codes.Unimplemented
}

// isNotLeader reports whether the node that was called does not lead. The client is then
// already connecting to the one that does.
func isNotLeader(err error) bool {
	client, ok := errors.AsType[*kurrentdb.Error](err)
	return ok && client.Code() == kurrentdb.ErrorCodeNotLeader
}

// detailOf returns what the server or the network said, without the text that the client
// puts around it.
func detailOf(err error) string {
	detail := err.Error()
	if s, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err); ok {
		detail = s.GRPCStatus().Message()
	}
	detail = strings.ToValidUTF8(strings.Join(strings.Fields(detail), " "), "")
	if len(detail) > maxDetail {
		detail = strings.ToValidUTF8(detail[:maxDetail], "") + "..."
	}
	return detail
}
