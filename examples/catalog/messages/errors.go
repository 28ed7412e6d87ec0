package messages

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Errors of a Store's calls, wrapped. Other errors are refusals, such as of a user
// without the right: an operator has to change something.
var (
	// ErrWrongRevision is returned if the stream is not where an append expected it. Nothing
	// was written.
	ErrWrongRevision = errors.New("stream is at another revision")
	// ErrTooLarge is returned for a message that is not accepted, of which nothing was
	// written, and for a stream that is too long to read.
	ErrTooLarge = errors.New("too large")
	// ErrDeleted is returned for a stream that was deleted permanently.
	ErrDeleted = errors.New("stream is deleted")
	// ErrUnavailable is returned if there was no response. It is not known whether an append
	// was written: repeat it with the same id, or read.
	ErrUnavailable = errors.New("message store is unavailable")
)

var (
	errClosed         = errors.New("store is closed")
	errNoConfirmation = errors.New("subscription was not confirmed in time")
)

// classify maps an error of the client to one of this package, unless it is a refusal.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, ErrTooLarge):
		return err
	case isCode(err, kurrentdb.ErrorCodeWrongExpectedVersion):
		return fmt.Errorf("%w: %w", ErrWrongRevision, errors.Unwrap(err))
	case strings.Contains(strings.ToLower(err.Error()), "maximum append"): // there is no code for it
		return fmt.Errorf("%w: %w", ErrTooLarge, err)
	case isCode(err, kurrentdb.ErrorCodeStreamDeleted):
		return fmt.Errorf("%w: %w", ErrDeleted, err)
	case isCode(err, kurrentdb.ErrorCodeAccessDenied, kurrentdb.ErrorCodeUnauthenticated, kurrentdb.ErrorCodeUnsupportedFeature):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	default:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
}

func isCode(err error, codes ...kurrentdb.ErrorCode) bool {
	known, ok := errors.AsType[*kurrentdb.Error](err)
	for _, code := range codes {
		if ok && known.IsErrorCode(code) {
			return true
		}
	}
	return false
}
