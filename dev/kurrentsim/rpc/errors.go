package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/store"
)

// fail converts an error into the status and the trailers that a real server sends. The
// client reads the trailers.
func (s *Service) fail(ctx context.Context, err error) error {
	var (
		deleted *store.DeletedError
		wrong   *store.WrongRevisionError
		large   *store.EventTooLargeError
		missing missingMetadataError
	)
	switch {
	case err == nil:
		return nil
	case errors.As(err, &deleted):
		return refuse(ctx, codes.FailedPrecondition, deleted.Error(), "stream-deleted", "stream-name", deleted.Stream)
	case errors.As(err, &wrong):
		return refuse(ctx, codes.FailedPrecondition, wrongRevisionText(wrong), "wrong-expected-version",
			"stream-name", wrong.Stream,
			"expected-version", strconv.FormatInt(int64(wrong.Expected), 10),
			"actual-version", strconv.FormatInt(wrong.Current, 10))
	case errors.As(err, &large):
		return refuse(ctx, codes.InvalidArgument, large.Error(), "maximum-append-event-size-exceeded",
			"maximum-append-event-size", strconv.Itoa(store.MaxEventSize),
			"event-id", large.ID.String(),
			"proposed-append-event-size", strconv.Itoa(large.Size))
	case errors.As(err, &missing):
		return refuse(ctx, codes.InvalidArgument, missing.Error(), "missing-required-metadata-property",
			"required-metadata-properties", metaType+","+metaContentType)
	case errors.Is(err, store.ErrAppendTooLarge):
		most := strconv.Itoa(s.Release.maxAppend)
		return refuse(ctx, codes.InvalidArgument, "Maximum Append Size of "+most+" Exceeded.",
			"maximum-append-size-exceeded", "maximum-append-size", most)
	case errors.Is(err, store.ErrInvalidStream), errors.Is(err, store.ErrInvalidEvent), errors.Is(err, store.ErrInvalidFilter):
		return errThrown
	}
	return s.failInternal(ctx, err)
}

// failInternal handles errors that the caller did not cause.
func (s *Service) failInternal(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if errors.Is(cause, errStopping) {
			return errStopping
		}
		return status.FromContextError(cause).Err()
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	s.Logger.Error("call failed", "error", err)
	return status.Error(codes.Internal, err.Error())
}

func wrongRevisionText(e *store.WrongRevisionError) string {
	return fmt.Sprintf("Append failed due to WrongExpectedVersion. Stream: %s, Expected version: %d, Actual version: %d",
		e.Stream, e.Expected, e.Current)
}

// brokenHeader is how the official client reports HTTP status 500 without gRPC's headers.
const brokenHeader = "unexpected HTTP status code received from server: 500 (Internal Server Error); malformed header: missing HTTP content-type"

var (
	// errThrown is a real node's response to a request that its code did not expect.
	errThrown = status.Error(codes.Unknown, "Exception was thrown by handler.")
	// errUnreadable is a real node's response to a read that its code did not expect.
	errUnreadable = status.Error(codes.Unknown, "Unexpected ReadStreamResult: Error")
	// errBroken represents the HTTP status 500 with which a real node responds if a
	// trailer cannot carry a name that is not ASCII.
	errBroken = status.Error(codes.Unknown, brokenHeader)
)

// refuse returns a status and sends the trailer with the exception's name and its
// details, as pairs of key and value. A real node fails to send a value that HTTP cannot
// carry, and with it all other information about the error.
func refuse(ctx context.Context, code codes.Code, text, exception string, details ...string) error {
	trailer := metadata.Pairs("exception", exception)
	for i := 0; i+1 < len(details); i += 2 {
		if !fitsHeader(details[i+1]) {
			return errBroken
		}
		trailer.Set(details[i], details[i+1])
	}
	// This fails only outside a call, where there is no client to send trailers to; the
	// status says the same.
	_ = grpc.SetTrailer(ctx, trailer)
	return status.Error(code, text)
}

// fitsHeader reports whether HTTP can carry a text: it allows only printable ASCII and
// tabs.
func fitsHeader(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return (r < ' ' && r != '\t') || r > '~' }) < 0
}

func invalid(text string) error { return status.Error(codes.InvalidArgument, text) }

// missingMetadataError is the name of a required key that is missing in an event's
// metadata.
type missingMetadataError string

func (e missingMetadataError) Error() string {
	return fmt.Sprintf("Required Metadata Property '%s' is missing", string(e))
}
