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

// What a call can come to. Every error of this package that comes from the event store wraps exactly one of them; no
// type of the client gets out, and no text that could hold a credential.
var (
	// ErrNotFound says that the stream, event or group does not exist.
	ErrNotFound = errors.New("not found")
	// ErrDeleted says that the stream was deleted.
	ErrDeleted = errors.New("stream is deleted")
	// ErrWrongRevision says that the stream is not where an append expected it. Nothing was written.
	ErrWrongRevision = errors.New("stream is at another revision")
	// ErrUnavailable says that no answer came, or one to try again after. What an append did is not known.
	ErrUnavailable = errors.New("event store is unavailable")
	// ErrAccessDenied says that the credentials are wrong or not enough.
	ErrAccessDenied error = operatorError("access denied")
	// ErrTooLarge says that the server takes no event, or no batch, of that size.
	ErrTooLarge error = operatorError("too large")
	// ErrGroupExists says that a group of that name is there already.
	ErrGroupExists = errors.New("group exists")
	// ErrInvalid says that the server will never take such a request.
	ErrInvalid error = operatorError("invalid request")
	// ErrClosed says that the client or the subscription was closed from this side. It is an ErrUnavailable too.
	ErrClosed = fmt.Errorf("closed: %w", ErrUnavailable)

	// errCutOff says that the call ended while the request was being sent. It is an ErrUnavailable.
	errCutOff = fmt.Errorf("cut off: %w", ErrUnavailable)
	// errUnspoken says that the server answered without saying anything: it could not, or the stream has a name that no
	// header can carry and there was something to say about it. It is an ErrUnavailable.
	errUnspoken = fmt.Errorf("no reason given: %w", ErrUnavailable)
)

// operatorError is what no retry clears before an operator has changed something: a grant, a limit, a stream.
type operatorError string

// Error returns the text.
func (e operatorError) Error() string { return string(e) }

// Blocked reports true.
func (operatorError) Blocked() bool { return true }

// maxDetail keeps a talkative server from filling logs and workflow histories.
const maxDetail = 300

// translate makes one of this package's errors of what the client said.
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

// sentinelOfStatus reads what the client did not: errors of a running subscription, and the codes it has no name for.
func sentinelOfStatus(err error) error {
	switch status.Code(err) {
	case codes.NotFound:
		return ErrNotFound
	case codes.PermissionDenied, codes.Unauthenticated:
		return ErrAccessDenied
	case codes.AlreadyExists:
		return ErrGroupExists
	case codes.InvalidArgument:
		if strings.Contains(strings.ToLower(err.Error()), "maximum append") { // the size is told in a trailer we cannot see
			return ErrTooLarge
		}
		return ErrInvalid
	case codes.ResourceExhausted:
		if strings.Contains(err.Error(), "larger than max") || strings.Contains(err.Error(), "exceeds the maximum") {
			return ErrTooLarge
		}
		return ErrUnavailable
	case codes.Unknown:
		if strings.Contains(err.Error(), "HTTP status code received from server: 500") {
			return errUnspoken
		}
		return ErrUnavailable
	default:
		return ErrUnavailable
	}
}

// isUnimplemented reports that the server does not have the service that was called.
func isUnimplemented(err error) bool {
	client, ok := errors.AsType[*kurrentdb.Error](err)
	return ok && client.Code() == kurrentdb.ErrorCodeUnsupportedFeature || status.Code(err) == codes.Unimplemented
}

// isNotLeader reports an answer after which the client is already on its way to the node that leads.
func isNotLeader(err error) bool {
	client, ok := errors.AsType[*kurrentdb.Error](err)
	return ok && client.Code() == kurrentdb.ErrorCodeNotLeader
}

// detailOf keeps what the server or the network said and leaves out the client's own lines around it.
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
