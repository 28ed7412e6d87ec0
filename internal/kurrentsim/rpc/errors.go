package rpc

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/internal/kurrentsim/store"
)

// fail turns an error into the status and the trailers a real server sends. The client reads the trailers.
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
		return refuse(ctx, codes.InvalidArgument, "Maximum Append Size of "+strconv.Itoa(store.MaxAppendSize)+" Exceeded.",
			"maximum-append-size-exceeded", "maximum-append-size", strconv.Itoa(store.MaxAppendSize))
	case errors.Is(err, store.ErrInvalidStream), errors.Is(err, store.ErrInvalidEvent), errors.Is(err, store.ErrInvalidFilter):
		return status.Error(codes.InvalidArgument, err.Error())
	}
	return s.failInternal(ctx, err)
}

// failInternal answers for everything that is not the caller's doing.
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

// refuse sends a status with the trailer that names the exception and its details, as pairs of key and value.
func refuse(ctx context.Context, code codes.Code, text, exception string, details ...string) error {
	trailer := metadata.Pairs("exception", exception)
	for i := 0; i+1 < len(details); i += 2 {
		trailer.Set(details[i], headerValue(details[i+1]))
	}
	// Outside a call there is nobody to send trailers to; the status says the same.
	_ = grpc.SetTrailer(ctx, trailer)
	return status.Error(code, text)
}

// headerValue quotes what HTTP cannot carry: one odd character in a stream's name would cost the client its connection.
func headerValue(text string) string {
	for _, r := range text {
		if r < ' ' || r > '~' {
			return strconv.QuoteToASCII(text)
		}
	}
	return text
}

func invalid(text string) error { return status.Error(codes.InvalidArgument, text) }

// missingMetadataError names a key of an event's metadata that must be there.
type missingMetadataError string

func (e missingMetadataError) Error() string {
	return fmt.Sprintf("Required Metadata Property '%s' is missing", string(e))
}
